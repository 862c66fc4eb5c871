"""Downloads of results that are in a store which browsers reach: they are sent on to it."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.files.storage import default_storage
from django.test import Client

from accounts.models import User
from reports import exports, shares, signed
from reports.formats import FORMATS
from reports.models import Job
from salesagg import backends
from tests.conftest import bound_to
from tests.files import HEADER
from tests.reports.workbook import sheets
from tests.services import S3
from tests.uploads.conftest import in_s3, s3, unwell  # noqa: F401  (fixtures)

pytestmark = pytest.mark.django_db(transaction=True)
RESULT = b"Department Name,Total Number of Sales\nToys,3\n"


@pytest.fixture
def public(in_s3: S3, settings: Any) -> S3:  # noqa: F811
    """The storage is a bucket that browsers reach."""
    url = f"{in_s3.url}&public_url={in_s3.endpoint}"
    settings.STORAGES = settings.STORAGES | {"default": backends.file_storage(url, Path())}
    return in_s3


@pytest.fixture
def job(public: S3, finished: Callable[..., Job]) -> Job:
    return finished(f"{HEADER}Toys,2024-01-01,3\n".encode(), name="Köln.csv")


def there(response: Any) -> requests.Response:
    """What somebody gets who was sent on."""
    assert response.status_code == 302, response
    assert response["Cache-Control"] == "private, no-store"
    return requests.get(response["Location"], timeout=20)


def addresses(job: Job) -> list[str]:
    """All at which the plain CSV can be had."""
    share = shares.create(job, days=1)
    return [
        f"/jobs/{job.pk}/result.csv",
        f"/shared/{shares.token(share)}/result.csv",
        f"/api/jobs/{job.pk}/result.csv",
        signed.path(job, "result.csv", until=signed.expiry(), bound_to=bound_to(job.owner)),
    ]


def test_the_plain_csv_comes_from_the_store_itself_wherever_it_is_asked_for(ann: Client, job: Job, token: str) -> None:
    for address in addresses(job):
        by = {"Authorization": f"Bearer {token}"} if address.startswith("/api/jobs") else {}
        answer = there(ann.get(address, headers=by))
        assert answer.content == RESULT, address
        assert "K%C3%B6ln-totals.csv" in answer.headers["Content-Disposition"]
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"


def test_what_is_made_as_it_is_asked_for_comes_from_us(ann: Client, job: Job) -> None:
    for path in ("result.csv?safe=1", "result.xlsx", "result.json", "result.parquet", "rejected.csv"):
        response = ann.get(f"/jobs/{job.pk}/{path}")
        assert response.status_code == 200
        response.close()


def test_a_kept_workbook_comes_from_the_store_itself(ann: Client, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "SMALL_LINES", 0)
    address = f"/jobs/{job.pk}/result.xlsx"
    ann.get(address).close()
    assert exports.make_all() == 1
    answer = there(ann.get(address))
    assert sheets(answer.content)["Departments"][1][:2] == ["Toys", 3.0]
    assert "K%C3%B6ln-totals.xlsx" in answer.headers["Content-Disposition"]
    assert answer.headers["Content-Type"] == FORMATS["xlsx"].content_type
    with contextlib.closing(ann.head(address)) as response:
        assert response.status_code == 200


def test_who_asks_for_the_head_alone_is_told_it_here(ann: Client, job: Job, token: str) -> None:
    for address in addresses(job):
        by = {"Authorization": f"Bearer {token}"} if address.startswith("/api/jobs") else {}
        response = ann.head(address, headers=by)
        assert (response.status_code, response["Content-Length"]) == (200, str(len(RESULT))), address
        response.close()


def test_a_redirect_to_the_store_is_kept_by_nobody(job: Job, token: str) -> None:
    program = Client(headers={"Authorization": f"Bearer {token}"})
    first = program.get(f"/api/jobs/{job.pk}/result.csv")
    assert there(first).content == RESULT
    # A client that kept it would be told later that it has not changed, and follow a URL that has expired.
    assert "ETag" not in first


def test_a_redirect_to_the_store_works_for_a_minute(ann: Client, job: Job) -> None:
    url = ann.get(f"/jobs/{job.pk}/result.csv")["Location"]
    assert "X-Amz-Expires=60&" in url


def test_nobody_is_sent_on_to_what_is_not_theirs(
    job: Job, client_of: Callable[[User], Client], stranger: User, ann: Client
) -> None:
    assert client_of(stranger).get(f"/jobs/{job.pk}/result.csv").status_code == 404
    assert Client().get(f"/jobs/{job.pk}/result.csv")["Location"].startswith("/accounts/login/")
    assert Client().get(f"/api/jobs/{job.pk}/result.csv").status_code == 401
    Job.objects.update(status=Job.Status.PROCESSING)
    assert ann.get(f"/jobs/{job.pk}/result.csv").status_code == 409


def test_an_unknown_form_is_refused_as_ever(ann: Client, job: Job) -> None:
    assert ann.get(f"/jobs/{job.pk}/result.pdf").status_code == 404


def test_without_an_address_for_browsers_everything_comes_from_us(
    in_s3: S3,  # noqa: F811
    finished: Callable[..., Job],
    ann: Client,
) -> None:
    job = finished(f"{HEADER}Toys,2024-01-01,3\n".encode())
    response: Any = ann.get(f"/jobs/{job.pk}/result.csv")
    assert (response.status_code, response["Content-Length"]) == (200, str(len(RESULT)))
    response.close()
    assert default_storage.open(job.result_name).read() == RESULT
    assert job.result_name in in_s3.object_names()


def test_while_the_store_is_away_a_download_is_refused_for_the_moment(
    unwell: Any,  # noqa: F811
    finished: Callable[..., Job],
    ann: Client,
) -> None:
    job = finished(f"{HEADER}Toys,2024-01-01,3\n".encode())
    unwell.always = "denied"
    response = ann.get(f"/jobs/{job.pk}/result.csv")
    assert (response.status_code, response.json()["code"], response["Retry-After"]) == (503, "storage_away", "5")
