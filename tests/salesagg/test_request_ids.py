"""Requests have ids, by which they are found in the logs."""

from collections.abc import Callable

import pytest
from django.test import Client

from accounts import metrics
from reports.models import Job
from tests.conftest import b64

pytestmark = pytest.mark.django_db(transaction=True)
HEADER = "X-Request-ID"


def test_an_answer_tells_the_id_that_its_request_came_with() -> None:
    assert Client().get("/healthz", headers={HEADER: "trace.1-a_B"})[HEADER] == "trace.1-a_B"


def test_what_is_no_id_is_replaced_by_a_new_one() -> None:
    for given in ("a b", "x" * 65, '"><script>'):
        told = Client().get("/healthz", headers={HEADER: given})[HEADER]
        assert told != given
        assert len(told) == 32


def test_a_problem_tells_the_id_too(token: str) -> None:
    response = Client().get("/api/jobs/nonsense", headers={"Authorization": f"Bearer {token}", HEADER: "mine"})
    assert (response.status_code, response.json()["requestId"], response[HEADER]) == (404, "mine", "mine")


def test_a_page_that_tells_of_an_error_of_ours_tells_the_id(ann: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("reports.views.files.render", broken)
    ann.raise_request_exception = False
    before = metrics.ERRORS.labels("page")._value.get()
    response = ann.get("/files/", headers={HEADER: "tell-me", "Accept": "text/html"})
    assert response.status_code == 500
    assert "<code>tell-me</code>" in response.content.decode()
    assert metrics.ERRORS.labels("page")._value.get() == before + 1


def test_a_job_keeps_the_id_of_the_request_that_asked_for_it(ann: Client) -> None:
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": "5",
        "Upload-Metadata": f"filename {b64('sales.csv')}",
        HEADER: "from-a-page",
    }
    assert ann.generic("POST", "/uploads/", headers=headers).status_code == 201
    assert Job.objects.get().request_id == "from-a-page"


def test_a_retry_is_another_request(ann: Client, make_job: Callable[..., Job]) -> None:
    job = make_job(b"Department Name,Number of Sales\nA,1\n")
    Job.objects.update(status="failed", request_id="first")
    ann.post(f"/jobs/{job.pk}/retry", headers={HEADER: "second"})
    job.refresh_from_db()
    assert job.request_id == "second"
