"""Jobs in the admin: found in the list, acted upon, deleted with their files, by whom may and by nobody else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.numbers import size
from reports import lifecycle
from reports.customers import changes
from reports.models import Customer, Job
from tests.conftest import MakeUpload
from tests.files import sales_csv
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(50, bad_every=10)
JOBS = "/admin/reports/job/"
ACTIONS = ("retry", "cancel", "run_again", "undo", "delete_selected")
CUSTOMERS = b"Name,E-mail,Company\nAda,ada@example.org,Engines\nBen,ben@example.org,Boats\nBen,?,Boats\n"
Finished = Callable[..., Job]


def act(client: Client, action: str, *chosen: Job, **more: str) -> str:
    form = {"action": action, "_selected_action": [str(job.pk) for job in chosen], **more}
    return client.post(JOBS, form, follow=True).content.decode()


def stored(files: Path) -> list[Path]:
    return [path for path in files.rglob("*") if path.is_file()]


def test_jobs_are_listed_with_what_operators_look_for(admin: Client, finished: Finished) -> None:
    finished(DATA)
    page = admin.get(JOBS).content.decode()
    for shown in ("sales.csv", 'data-state="completed">Completed', "ann@example.org", "100 %", "50", "5", " s</td>"):
        assert shown in page
    assert "ann@example.org" in admin.get(f"{JOBS}?q=ann").content.decode()
    assert "0 jobs" in admin.get(f"{JOBS}?q=nobody").content.decode()
    assert "0 jobs" in admin.get(f"{JOBS}?status__exact=failed").content.decode()


def test_the_list_asks_no_more_queries_for_more_jobs(
    admin: Client, finished: Finished, django_assert_num_queries: Any
) -> None:
    finished(DATA)
    admin.get(JOBS)  # begins the session
    with CaptureQueriesContext(connection) as once:
        admin.get(JOBS)
    for _ in range(3):
        finished(DATA)
    with django_assert_num_queries(len(once)):
        admin.get(JOBS)


def test_a_job_that_has_not_begun_has_neither_duration_nor_speed(admin: Client, make_upload: MakeUpload) -> None:
    make_upload(DATA)
    page = admin.get(JOBS).content.decode()
    assert '<td class="field-duration">–</td>' in page
    assert '<td class="field-speed">–</td>' in page
    lifecycle.claim()
    assert " s</td>" in admin.get(JOBS).content.decode()


def test_a_job_that_is_being_cancelled_says_so(admin: Client, make_upload: MakeUpload) -> None:
    job = make_upload(DATA).jobs.get()
    lifecycle.claim()
    lifecycle.cancel(job)
    assert "Cancelling" in admin.get(JOBS).content.decode()


def test_retry_and_cancel_act_and_say_what_they_could_not_do(admin: Client, make_upload: MakeUpload) -> None:
    open_job, ended_job = make_upload(DATA).jobs.get(), make_upload(DATA, name="ended.csv").jobs.get()
    Job.objects.filter(pk=ended_job.pk).update(status="completed")
    page = act(admin, "cancel", open_job, ended_job)
    assert "Sales.csv is cancelled." in page
    assert "Ended.csv: The job has ended already; there is nothing to cancel." in page
    open_job.refresh_from_db()
    assert open_job.status == "cancelled"
    page = act(admin, "retry", open_job, ended_job)
    assert "Sales.csv will go on from its last checkpoint." in page
    assert page.count('class="warning"') == 1
    open_job.refresh_from_db()
    assert open_job.status == "pending"


def test_a_job_that_is_worked_on_is_cancelled_by_its_worker(admin: Client, make_upload: MakeUpload) -> None:
    job = make_upload(DATA).jobs.get()
    lifecycle.claim()
    assert "Sales.csv is being cancelled by its worker." in act(admin, "cancel", job)
    job.refresh_from_db()
    assert (job.status, job.cancel_requested) == ("processing", True)


def test_run_again_makes_a_new_job_over_the_same_file_with_the_same_options(admin: Client, finished: Finished) -> None:
    job = finished(DATA)
    Job.objects.update(options={"amounts": True})
    assert "Sales.csv runs again as a new job." in act(admin, "run_again", job)
    new = Job.objects.exclude(pk=job.pk).get()
    assert (new.upload_id, new.owner, new.options, new.status) == (
        job.upload_id,
        job.owner,
        {"amounts": True},
        "pending",
    )
    job.refresh_from_db()
    assert job.status == "completed"


def test_run_again_is_refused_when_the_file_is_gone(admin: Client, finished: Finished) -> None:
    job = finished(DATA)
    Upload.objects.update(state="cancelled")
    assert "file is gone; upload it again" in act(admin, "run_again", job)
    assert Job.objects.count() == 1


def test_imports_are_undone_and_what_cannot_be_is_said(admin: Client, finished: Finished, imported: Finished) -> None:
    sales, customers = finished(DATA), imported(CUSTOMERS)
    page = act(admin, "undo", sales, customers)
    assert "Sales.csv: Only an import can be undone." in page
    assert "Customers.csv is undone; what it had imported is removed." in page
    assert 'data-state="completed">Undone' in page
    assert not Customer.objects.exists()
    assert "Customers.csv: The import has been undone already." in act(admin, "undo", customers)
    assert "Only failed or cancelled jobs can be retried." in act(admin, "retry", customers)


def test_an_import_whose_customers_were_changed_is_not_undone(admin: Client, imported: Finished) -> None:
    job = imported(CUSTOMERS)
    ada = Customer.objects.get(name="Ada")
    changes.change(ada, name="Ada B.", email=ada.email, phone="", company=ada.company)
    assert "1 customer of this import has been changed since." in act(admin, "undo", job)
    assert Customer.objects.count() == 2


def test_what_was_done_is_recorded_with_who_did_it(admin: Client, make_upload: MakeUpload) -> None:
    job = make_upload(DATA).jobs.get()
    act(admin, "cancel", job)
    act(admin, "cancel", job)
    entry = LogEntry.objects.get()
    assert (entry.user.email, entry.object_id, entry.change_message) == (
        "root@example.org",
        str(job.pk),
        "is cancelled.",
    )


def test_before_jobs_are_deleted_the_page_lists_what_goes(admin: Client, finished: Finished) -> None:
    job = finished(DATA)
    again = lifecycle.run_again(job, {})
    page = act(admin, "delete_selected", job)
    for told in ("The uploaded file stays", "The result of 5 departments.", "The report of rejected rows.", "Jobs: 1"):
        assert told in page
    assert "Uploads: 0" in page
    page = act(admin, "delete_selected", job, again)
    assert f"The uploaded file, {size(len(DATA))}." in page
    assert Job.objects.count() == 2


def test_before_an_import_is_deleted_the_page_says_that_its_customers_stay(admin: Client, imported: Finished) -> None:
    job = imported(CUSTOMERS)
    page = act(admin, "delete_selected", job)
    assert "The customers that it has imported stay." in page
    assert "The result of" not in page
    act(admin, "delete_selected", job, post="yes")
    assert not Job.objects.exists()
    assert sorted(Customer.objects.filter(job=None).values_list("name", flat=True)) == ["Ada", "Ben"]


def test_before_one_that_was_undone_is_deleted_there_is_no_talk_of_customers(admin: Client, imported: Finished) -> None:
    job = imported(CUSTOMERS)
    lifecycle.undo(job)
    assert "customers that it has imported" not in act(admin, "delete_selected", job)


def test_jobs_are_deleted_with_their_files(admin: Client, finished: Finished, files: Path) -> None:
    jobs = finished(DATA), finished(DATA, name="other.csv")
    assert stored(files)
    page = act(admin, "delete_selected", *jobs, post="yes")
    assert "Sales.csv is deleted with its files." in page
    assert "Other.csv is deleted with its files." in page
    assert (Job.objects.count(), Upload.objects.count(), stored(files)) == (0, 0, [])
    assert LogEntry.objects.count() == 2


def test_the_delete_button_of_a_jobs_page_does_the_same(admin: Client, finished: Finished, files: Path) -> None:
    job = finished(DATA)
    address = f"{JOBS}{job.pk}/delete/"
    assert f"The uploaded file, {size(len(DATA))}." in admin.get(address).content.decode()
    assert Job.objects.exists()
    assert admin.post(address, {"post": "yes"})["Location"] == JOBS
    assert (Job.objects.count(), Upload.objects.count(), stored(files)) == (0, 0, [])


@pytest.mark.parametrize("action", ACTIONS)
def test_who_may_only_view_is_offered_no_action_and_posting_one_changes_nothing(
    viewer: Client, finished: Finished, files: Path, action: str
) -> None:
    job = finished(DATA)
    before, kept = Job.objects.values().get(), stored(files)
    assert f'value="{action}"' not in viewer.get(JOBS).content.decode()
    act(viewer, action, job, post="yes")
    assert Job.objects.values().get() == before
    assert stored(files) == kept


def test_who_may_only_view_cannot_delete_by_the_button_either(viewer: Client, finished: Finished) -> None:
    job = finished(DATA)
    assert viewer.get(f"{JOBS}{job.pk}/delete/").status_code == 403
    assert viewer.post(f"{JOBS}{job.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Job.objects.exists()


@pytest.mark.parametrize("action", ACTIONS)
def test_staff_without_permission_and_others_do_not_get_here(
    clerk: Client, ann: Client, client: Client, finished: Finished, action: str
) -> None:
    job = finished(DATA)
    form = {"action": action, "_selected_action": [str(job.pk)], "post": "yes"}
    for path in (JOBS, f"{JOBS}{job.pk}/change/"):
        assert clerk.get(path).status_code == 403
    assert clerk.post(JOBS, form).status_code == 403
    for outsider in (ann, client):
        assert outsider.post(JOBS, form)["Location"].startswith("/admin/login/")
    assert list(Job.objects.values_list("status", flat=True)) == ["completed"]


def test_nothing_is_added_or_changed_by_hand(admin: Client, finished: Finished) -> None:
    job = finished(DATA)
    assert admin.get(f"{JOBS}add/").status_code == 403
    assert admin.post(f"{JOBS}{job.pk}/change/", {"status": "pending"}).status_code == 403
