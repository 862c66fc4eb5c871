"""What programs do with a job: cancel, retry, delete."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from reports import lifecycle, runner
from reports.models import Job
from tests.conftest import MakeUpload
from tests.files import sales_csv
from uploads import lifecycle as uploads
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)
MakeJob = Callable[..., Job]
DATA = sales_csv(20)
ACTIONS = [("POST", "/cancel"), ("POST", "/retry"), ("POST", "/again"), ("DELETE", "")]
nobody = Client()


def refused(response: object) -> tuple[int, str]:
    return response.status_code, response.json()["code"]  # type: ignore[attr-defined]


def test_an_idle_job_is_cancelled_at_once(api: Client, make_job: MakeJob) -> None:
    job = make_job(DATA)
    told = api.post(f"/api/jobs/{job.pk}/cancel").json()
    assert (told["jobId"], told["status"], told["state"]) == (str(job.pk), "cancelled", "cancelled")
    assert told["finishedAt"]
    assert told["actions"] == ["retry", "again", "delete"]


def test_a_running_job_is_being_cancelled_until_its_worker_looks(api: Client, make_job: MakeJob) -> None:
    job = make_job(DATA)
    held = lifecycle.claim()
    assert held
    for _ in range(2):
        response = api.post(f"/api/jobs/{job.pk}/cancel")
        assert response.status_code == 200
        told = response.json()
        assert (told["status"], told["state"], told["finishedAt"]) == ("processing", "cancelling", None)
    lifecycle.cancelled(held)
    assert api.get(f"/api/jobs/{job.pk}").json()["status"] == "cancelled"


def test_an_ended_job_cannot_be_cancelled(api: Client, finished: MakeJob) -> None:
    job = finished(DATA)
    assert refused(api.post(f"/api/jobs/{job.pk}/cancel")) == (409, "job_finished")
    assert api.get(f"/api/jobs/{job.pk}").json()["status"] == "completed"


def test_a_cancelled_job_is_retried_to_its_end(api: Client, make_job: MakeJob) -> None:
    job = make_job(DATA)
    api.post(f"/api/jobs/{job.pk}/cancel")
    told = api.post(f"/api/jobs/{job.pk}/retry").json()
    assert (told["status"], told["finishedAt"], told["error"]) == ("pending", None, None)
    runner.run_all()
    assert api.get(f"/api/jobs/{job.pk}").json()["status"] == "completed"


def test_a_completed_or_open_job_cannot_be_retried(api: Client, make_job: MakeJob) -> None:
    job = make_job(DATA)
    assert refused(api.post(f"/api/jobs/{job.pk}/retry")) == (409, "job_not_retryable")
    runner.run_all()
    assert refused(api.post(f"/api/jobs/{job.pk}/retry")) == (409, "job_not_retryable")


def test_a_job_without_its_file_cannot_be_retried(api: Client, make_job: MakeJob) -> None:
    job = make_job(DATA)
    uploads.cancel(job.upload)
    assert refused(api.post(f"/api/jobs/{job.pk}/retry")) == (410, "upload_gone")
    assert api.get(f"/api/jobs/{job.pk}").json()["actions"] == ["delete"]


def test_a_deleted_job_is_gone_with_its_file(api: Client, finished: MakeJob, files: Path) -> None:
    job = finished(DATA)
    response = api.delete(f"/api/jobs/{job.pk}")
    assert (response.status_code, response.content) == (204, b"")
    assert not Upload.objects.exists()
    assert not [path for path in files.rglob("*") if path.is_file()]
    assert refused(api.delete(f"/api/jobs/{job.pk}")) == (404, "not_found")


def test_a_kept_file_stays_when_its_job_is_deleted(api: Client, make_upload: MakeUpload) -> None:
    upload = make_upload(DATA)
    Upload.objects.update(keep=True)
    runner.run_all()
    assert api.delete(f"/api/jobs/{upload.jobs.get().pk}").status_code == 204
    assert Upload.objects.filter(pk=upload.pk, state="complete").exists()


def test_an_open_job_is_to_be_cancelled_before_it_is_deleted(api: Client, make_job: MakeJob) -> None:
    job = make_job(DATA)
    response = api.delete(f"/api/jobs/{job.pk}")
    assert refused(response) == (409, "job_open")
    assert "Cancel it first" in response.json()["detail"]
    api.post(f"/api/jobs/{job.pk}/cancel")
    assert api.delete(f"/api/jobs/{job.pk}").status_code == 204
    assert not Job.objects.exists()


@pytest.mark.parametrize(("method", "path"), ACTIONS)
def test_the_owner_alone_does_them(
    api: Client, ann: Client, others: list[Client], finished: MakeJob, method: str, path: str
) -> None:
    job = finished(DATA)
    address = f"/api/jobs/{job.pk}{path}"
    for other in others:
        assert refused(other.generic(method, address)) == (404, "not_found")
    assert refused(nobody.generic(method, address)) == (401, "unauthorized")
    if path:
        assert api.get(address).status_code == 405
    assert Job.objects.get().version == job.version
    assert ann.generic(method, address).status_code in (200, 201, 204, 409)


@pytest.mark.parametrize(("method", "path"), ACTIONS)
def test_a_session_needs_the_pages_csrf_token(ann: Client, finished: MakeJob, method: str, path: str) -> None:
    job = finished(DATA)
    ann.handler.enforce_csrf_checks = True
    assert refused(ann.generic(method, f"/api/jobs/{job.pk}{path}")) == (403, "csrf_failed")
    assert Job.objects.get().version == job.version
