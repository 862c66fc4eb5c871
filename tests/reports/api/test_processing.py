"""Jobs over files that are there: made with columns and options, once for each Idempotency-Key."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from reports import lifecycle, runner
from reports.models import Job
from tests.conftest import MakeUpload, append
from uploads import lifecycle as uploads
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)
MakeJob = Callable[..., Job]
DATA = b"Region,Day,Takings\nNorth,yesterday,1.50\nSouth,2024-01-01,-2\n"
OPTIONS = {"columns": {"department": "Region", "date": "", "sales": "Takings"}, "amounts": True}
nobody = Client()


@pytest.fixture
def kept(user: User) -> Upload:
    """A file that is stored for its own sake."""
    return append(uploads.create(user, length=len(DATA), keep=True), DATA)


def process(api: Client, upload: Upload, options: Any = None, **headers: str) -> Any:
    address = f"/api/files/{upload.pk}/process"
    return api.post(address, options, content_type="application/json", headers=headers)


def test_a_stored_file_becomes_a_report_with_what_was_chosen(api: Client, kept: Upload) -> None:
    assert not Job.objects.exists()
    response = process(api, kept, OPTIONS)
    job = Job.objects.get()
    assert (response.status_code, response["Location"]) == (201, f"/api/jobs/{job.pk}")
    told = response.json()
    assert (told["jobId"], told["fileKey"], told["status"]) == (str(job.pk), str(kept.pk), "pending")
    assert (told["options"], job.options) == (OPTIONS, OPTIONS)
    runner.run_all()
    told = api.get(response["Location"]).json()
    assert (told["status"], told["total"], told["failedCount"]) == ("completed", "-0.50", 0)


@pytest.mark.parametrize("body", [None, {}, {"columns": {}}, {"columns": {"sales": None}, "amounts": False}])
def test_what_is_not_chosen_is_found(api: Client, kept: Upload, body: Any) -> None:
    assert process(api, kept, body).status_code == 201
    assert Job.objects.get().options == {}


def test_no_body_at_all_chooses_nothing(api: Client, kept: Upload) -> None:
    assert api.generic("POST", f"/api/files/{kept.pk}/process").status_code == 201


def test_a_file_that_is_on_its_way_is_read_as_it_comes(api: Client, user: User) -> None:
    upload = uploads.create(user, length=len(DATA), keep=True)
    upload = append(upload, DATA[:30])
    told = process(api, upload, OPTIONS).json()
    assert told["state"] == "uploading"
    append(upload, DATA[30:])
    runner.run_all()
    assert api.get(f"/api/jobs/{told['jobId']}").json()["status"] == "completed"


def test_a_file_that_was_uploaded_for_a_report_can_be_processed_again(api: Client, make_upload: MakeUpload) -> None:
    upload = make_upload(DATA)
    assert process(api, upload, OPTIONS).status_code == 201
    assert upload.jobs.count() == 2


@pytest.mark.parametrize(
    "body",
    [
        {"columns": {"department": ""}},
        {"columns": {"sales": " _-"}},
        {"columns": {"department": "a\0b"}},
        {"columns": {"department": "Region", "sales": "region"}},
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(api: Client, kept: Upload, body: Any) -> None:
    response = process(api, kept, body)
    assert (response.status_code, response.json()["code"]) == (400, "bad_options")
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"amount": True}, "amount"),
        ({"amounts": "true"}, "amounts"),
        ({"columns": {"dept": "Region"}}, "dept"),
        ({"columns": {"sales": "x" * 1001}}, "sales"),
        ({"columns": None}, "columns"),
        ([], "body"),
    ],
)
def test_what_is_not_as_described_is_refused_by_its_name(api: Client, kept: Upload, body: Any, field: str) -> None:
    response = process(api, kept, body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert field in response.json()["errors"][0]["field"].split(".")


def test_a_body_that_is_not_json_is_refused(api: Client, kept: Upload) -> None:
    for body in ("{", '{"columns": {"sales": "\\ud800"}}'):
        response = process(api, kept, body)
        assert (response.status_code, response.json()["code"]) == (400, "bad_request")


def test_asked_twice_with_one_key_it_makes_one_job(api: Client, kept: Upload) -> None:
    first, second = (process(api, kept, OPTIONS, **{"Idempotency-Key": "run 1"}) for _ in range(2))
    assert (first.status_code, first.json(), first["Location"]) == (201, second.json(), second["Location"])
    assert Job.objects.count() == 1
    other = process(api, kept, {}, **{"Idempotency-Key": "run 1"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert process(api, kept, OPTIONS, **{"Idempotency-Key": "run 2"}).status_code == 201
    assert Job.objects.count() == 2


@pytest.mark.parametrize("state", ["cancelled", "expired"])
def test_a_file_that_is_gone_is_not_processed(api: Client, kept: Upload, state: str) -> None:
    Upload.objects.update(state=state)
    response = process(api, kept)
    assert (response.status_code, response.json()["code"]) == (410, "upload_gone")


def test_more_jobs_at_a_time_than_the_limit_are_not_made(api: Client, kept: Upload, settings: Any) -> None:
    settings.MAX_OPEN_JOBS = 1
    told = process(api, kept).json()
    again = f"/api/jobs/{told['jobId']}/again"
    for response in (process(api, kept), api.generic("POST", again)):
        assert (response.status_code, response.json()["code"]) == (429, "too_many_jobs")
        assert int(response["Retry-After"]) > 0
    api.post(f"/api/jobs/{told['jobId']}/cancel")
    assert process(api, kept).status_code == 201


def test_a_job_run_again_without_a_word_has_the_same_options(api: Client, kept: Upload) -> None:
    first = process(api, kept, OPTIONS).json()
    response = api.generic("POST", f"/api/jobs/{first['jobId']}/again")
    told = response.json()
    assert (response.status_code, response["Location"]) == (201, f"/api/jobs/{told['jobId']}")
    assert told["jobId"] != first["jobId"]
    assert (told["fileKey"], told["options"]) == (first["fileKey"], OPTIONS)


def test_a_job_is_run_again_with_other_options(api: Client, finished: MakeJob) -> None:
    failed = finished(DATA)
    assert failed.error_code == "missing_columns"
    again = api.post(f"/api/jobs/{failed.pk}/again", OPTIONS, content_type="application/json").json()
    assert again["options"] == OPTIONS
    plain = api.post(f"/api/jobs/{again['jobId']}/again", {}, content_type="application/json").json()
    assert plain["options"] == {"columns": {"department": None, "date": None, "sales": None}, "amounts": False}
    runner.run_all()
    assert api.get(f"/api/jobs/{again['jobId']}").json()["status"] == "completed"
    failed.refresh_from_db()
    assert failed.status == "failed"


def test_a_job_without_its_file_is_not_run_again(api: Client, finished: MakeJob) -> None:
    job = finished(DATA)
    uploads.cancel(job.upload)
    response = api.generic("POST", f"/api/jobs/{job.pk}/again")
    assert (response.status_code, response.json()["code"]) == (410, "upload_gone")


def test_files_are_processed_by_their_owner_alone(api: Client, others: list[Client], kept: Upload) -> None:
    for other in others:
        response = process(other, kept)
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert process(nobody, kept).status_code == 401
    assert api.get(f"/api/files/{kept.pk}/process").status_code == 405
    assert not Job.objects.exists()


def test_a_file_whose_job_was_deleted_is_not_there(api: Client, finished: MakeJob) -> None:
    job = finished(DATA)
    upload = job.upload
    lifecycle.delete(job)
    assert process(api, upload).status_code == 404
