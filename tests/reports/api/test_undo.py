"""Imports that programs take back."""

from collections.abc import Callable

import pytest
from django.test import Client

from reports import lifecycle
from reports.models import Customer, Job
from tests.conftest import MakeUpload
from tests.files import sales_csv

pytestmark = pytest.mark.django_db(transaction=True)
MakeJob = Callable[..., Job]
DATA = b"name,email,company\nAda,ada@example.org,Engines\nBen,ben@example.org,Boats\nCy,nonsense,Boats\n"
nobody = Client()


def refused(response: object) -> tuple[int, str]:
    return response.status_code, response.json()["code"]  # type: ignore[attr-defined]


def undo(api: Client, job: Job) -> object:
    return api.post(f"/api/jobs/{job.pk}/undo")


def test_an_import_is_undone(api: Client, imported: MakeJob) -> None:
    job = imported(DATA)
    assert api.get(f"/api/jobs/{job.pk}").json()["actions"] == ["again", "undo", "delete"]
    told = api.post(f"/api/jobs/{job.pk}/undo").json()
    assert (told["status"], told["state"], told["successCount"]) == ("completed", "undone", 2)
    assert told["actions"] == ["again", "delete"]
    assert told["undoneAt"] > told["finishedAt"]
    assert not Customer.objects.exists()


def test_what_was_imported_otherwise_stays(api: Client, imported: MakeJob) -> None:
    kept = imported(b"name,email,company\nZoe,zoe@example.org,Zoos\n")
    undo(api, imported(DATA))
    assert [customer.job for customer in Customer.objects.all()] == [kept]


def test_what_a_cancelled_import_had_imported_is_removed(api: Client, imported: MakeJob) -> None:
    job = imported(DATA)
    Job.objects.update(status="cancelled")
    assert api.post(f"/api/jobs/{job.pk}/undo").json()["state"] == "undone"
    assert not Customer.objects.exists()


def test_it_is_refused_twice(api: Client, imported: MakeJob) -> None:
    job = imported(DATA)
    undo(api, job)
    assert refused(undo(api, job)) == (409, "undone_already")


def test_a_report_is_none(api: Client, finished: MakeJob) -> None:
    assert refused(undo(api, finished(sales_csv(20)))) == (409, "not_undoable")


def test_an_open_one_is_to_be_cancelled_first(api: Client, make_upload: MakeUpload) -> None:
    job = make_upload(DATA, kind="customers").jobs.get()
    assert refused(undo(api, job)) == (409, "job_open")
    lifecycle.cancel(job)
    assert api.post(f"/api/jobs/{job.pk}/undo").status_code == 200


def test_customers_that_were_changed_stand_in_the_way_until_they_are_deleted(api: Client, imported: MakeJob) -> None:
    job = imported(DATA)
    ada = f"/api/customers/{Customer.objects.get(name='Ada').pk}"
    assert api.patch(ada, {"company": "Looms"}, content_type="application/json").status_code == 200
    response = api.post(f"/api/jobs/{job.pk}/undo")
    assert refused(response) == (409, "customers_changed")
    assert "1 customer of this import" in response.json()["detail"]
    assert Customer.objects.count() == 2
    api.delete(ada)
    assert api.post(f"/api/jobs/{job.pk}/undo").json()["state"] == "undone"
    assert not Customer.objects.exists()


def test_an_undone_import_is_run_again_but_not_retried(api: Client, imported: MakeJob) -> None:
    job = imported(DATA)
    undo(api, job)
    assert refused(api.post(f"/api/jobs/{job.pk}/retry")) == (409, "job_not_retryable")
    assert api.generic("POST", f"/api/jobs/{job.pk}/again").json()["kind"] == "customers"


def test_the_owner_alone_does_it_and_only_by_posting(api: Client, others: list[Client], imported: MakeJob) -> None:
    job = imported(DATA)
    for other in others:
        assert refused(undo(other, job)) == (404, "not_found")
    assert refused(undo(nobody, job)) == (401, "unauthorized")
    assert api.get(f"/api/jobs/{job.pk}/undo").status_code == 405
    assert Customer.objects.count() == 2
