"""Undoing an import on its page: the question, what it does, and when it cannot be."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from reports import lifecycle, runner
from reports.models import Customer, Job
from reports.pipelines.customers import CustomersPipeline
from tests.conftest import MakeUpload
from tests.files import customers_csv, sales_csv

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
Imported = Callable[..., Job]
PAGE = {"Accept": "text/html"}
SCRIPT = {"Accept": "application/json"}


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content


@pytest.fixture
def job(imported: Imported) -> Job:
    return imported(customers_csv(1200) + b",,,\n", name="people.csv")


def undo(client: Client, job: Job, **headers: str) -> Any:
    return client.post(f"/jobs/{job.pk}/undo", headers=headers or PAGE)


def change(job: Job, count: int) -> None:
    """Some of its customers have been changed by hand."""
    some = Customer.objects.filter(job=job).values("pk")[:count]
    Customer.objects.filter(pk__in=list(some.values_list("pk", flat=True))).update(changed_at=timezone.now())


def test_it_asks_first_and_says_how_many_customers_go(ann: Client, job: Job) -> None:
    assert f'href="/jobs/{job.pk}/undo"' in text(ann.get(f"/jobs/{job.pk}/"))
    page = text(ann.get(f"/jobs/{job.pk}/undo"))
    assert "Undo the import of people.csv?" in page
    assert "<strong>1,200 customers</strong>" in page
    assert Customer.objects.count() == 1200


def test_it_counts_those_that_are_still_there(ann: Client, job: Job) -> None:
    Customer.objects.filter(row_number__gt=1).delete()
    assert "<strong>1 customer</strong>" in text(ann.get(f"/jobs/{job.pk}/undo"))


def test_its_customers_go_and_no_others(ann: Client, job: Job, imported: Imported, stranger: User) -> None:
    others = imported(customers_csv(2, first=5000)), imported(customers_csv(3), owner=stranger)
    assert undo(ann, job)["Location"] == f"/jobs/{job.pk}/"
    assert {customer.job_id for customer in Customer.objects.all()} == {other.pk for other in others}
    assert Customer.objects.count() == 5


def test_the_page_says_that_it_was_undone_and_lets_it_run_again(ann: Client, job: Job) -> None:
    undo(ann, job)
    job.refresh_from_db()
    assert job.undone_at is not None
    page = text(ann.get(f"/jobs/{job.pk}/"))
    assert f'Undone on <time datetime="{job.undone_at.isoformat(timespec="seconds")}"' in page.replace(
        job.undone_at.isoformat(), job.undone_at.isoformat(timespec="seconds")
    )
    for gone in ("Imported customers", "Undo this import", 'data-action="retry">'):
        assert gone not in page
    assert 'data-state="undone"' in page
    assert "Download rejected rows" in page
    ann.post(f"/jobs/{job.pk}/again", {"kind": "customers"})
    runner.run_all()
    again = Job.objects.exclude(pk=job.pk).get()
    assert (again.status, again.rows - again.bad_rows) == ("completed", 1200)
    assert Customer.objects.filter(job=again).count() == 1200


def test_what_is_being_undone_says_so(ann: Client, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the process died in the middle of it; what finishes such undoings comes later."""

    def dies(self: CustomersPipeline, job: Job) -> None:
        raise SystemExit

    with monkeypatch.context() as dying, pytest.raises(SystemExit):
        dying.setattr(CustomersPipeline, "undo", dies)
        lifecycle.undo(job)
    assert "Being undone." in text(ann.get(f"/jobs/{job.pk}/"))
    lifecycle.finish_undos()
    assert "Undone on" in text(ann.get(f"/jobs/{job.pk}/body"))


def test_scripts_get_the_job_as_it_is_then(ann: Client, job: Job) -> None:
    answer = undo(ann, job, **SCRIPT)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["state"], told["can_undo"], told["can_retry"]) == ("undone", False, False)
    assert told["undone_at"]


def test_changed_customers_are_told_of_before_anybody_decides(ann: Client, job: Job) -> None:
    change(job, 2)
    page = text(ann.get(f"/jobs/{job.pk}/undo"))
    assert "2 customers of this import have been changed since." in page
    assert f'href="/customers/?import={job.pk}"' in page
    assert '<form method="post" class="actions"' not in page


def test_customers_that_were_changed_meanwhile_are_not_lost(ann: Client, job: Job) -> None:
    change(job, 1)
    response = undo(ann, job)
    assert response.status_code == 409
    page = text(response)
    assert "It cannot be undone now." in page
    assert "1 customer of this import has been changed since." in page
    assert f'href="/jobs/{job.pk}/"' in page
    refused = undo(ann, job, **SCRIPT)
    assert (refused.status_code, refused.json()["code"]) == (409, "customers_changed")
    assert Customer.objects.count() == 1200
    job.refresh_from_db()
    assert not job.is_undone


def test_what_was_undone_cannot_be_undone_again(ann: Client, job: Job) -> None:
    undo(ann, job)
    refused = undo(ann, job, **SCRIPT)
    assert (refused.status_code, refused.json()["code"]) == (409, "undone_already")
    assert "has been undone already" in text(undo(ann, job))
    # Somebody who goes back in the browser sees what there is now, instead of a question.
    assert ann.get(f"/jobs/{job.pk}/undo")["Location"] == f"/jobs/{job.pk}/"


def test_an_import_that_runs_is_not_undone(ann: Client, make_upload: MakeUpload) -> None:
    job = make_upload(customers_csv(3), kind="customers").jobs.get()
    refused = undo(ann, job, **SCRIPT)
    assert (refused.status_code, refused.json()["code"]) == (409, "job_open")
    assert ann.get(f"/jobs/{job.pk}/undo").status_code == 302


def test_a_report_is_not_undone(ann: Client, finished: Callable[..., Job]) -> None:
    job = finished(sales_csv(3))
    refused = undo(ann, job, **SCRIPT)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_undoable")
    assert ann.get(f"/jobs/{job.pk}/undo").status_code == 302
    assert "/undo" not in text(ann.get(f"/jobs/{job.pk}/"))


def test_it_is_for_the_owner_with_csrf_token_by_get_or_post(
    client_of: Callable[[User], Client], user: User, stranger: User, job: Job
) -> None:
    path = f"/jobs/{job.pk}/undo"
    for method in ("get", "post"):
        assert getattr(client_of(stranger), method)(path).status_code == 404
        assert getattr(Client(), method)(path)["Location"].startswith("/accounts/login/")
    assert client_of(user).delete(path).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    assert strict.post(path).status_code == 403
    assert Customer.objects.count() == 1200


# Removing the job itself.


def test_removing_an_import_says_that_its_customers_stay_and_offers_undoing(ann: Client, job: Job) -> None:
    page = text(ann.get(f"/jobs/{job.pk}/remove"))
    assert "What it has imported stays: <strong>1,200 customers</strong>." in page
    assert f'href="/jobs/{job.pk}/undo"' in page
    ann.post(f"/jobs/{job.pk}/remove")
    assert not Job.objects.exists()
    assert Customer.objects.filter(job=None).count() == 1200


def test_removing_what_was_undone_or_is_a_report_says_nothing_of_it(
    ann: Client, job: Job, finished: Callable[..., Job]
) -> None:
    undo(ann, job)
    report = finished(sales_csv(3))
    for each in (job, report):
        page = text(ann.get(f"/jobs/{each.pk}/remove"))
        assert "stays:" not in page
        assert "/undo" not in page
