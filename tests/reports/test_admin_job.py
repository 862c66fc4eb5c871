"""A job's page in the admin: what happened to it, what there is of it, and what can be done."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.numbers import size
from reports import lifecycle, runner, shares, workers
from reports.admin import timeline
from reports.models import Attempt, Job, Share
from tests.conftest import MakeUpload
from tests.files import sales_csv
from uploads import lifecycle as uploads

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(1000, bad_every=10)
CUSTOMERS = b"Name,E-mail,Company\nAda,ada@example.org,Engines\nBen,ben@example.org,Boats\nBen,?,Boats\n"
JOBS = "/admin/reports/job/"
Finished = Callable[..., Job]


def page_of(client: Client, job: Job) -> str:
    answer = client.get(f"{JOBS}{job.pk}/change/")
    assert answer.status_code == 200
    return answer.content.decode()


def titles(job: Job) -> list[str]:
    return [event.title for event in timeline.of(job)["events"]]


@pytest.fixture
def half_done(make_upload: MakeUpload, settings: Any) -> Job:
    """A job that waits for the second half of its file."""
    settings.WINDOW_BYTES = 2000
    upload = make_upload(DATA, chunk=len(DATA) // 2 + 1, whole=False)
    runner.run_all()
    return upload.jobs.get()


@pytest.fixture
def share(finished: Finished) -> Share:
    return shares.create(finished(DATA), days=7)


def test_it_tells_all_about_a_completed_job(admin: Client, finished: Finished) -> None:
    job = finished(DATA)
    page = page_of(admin, job)
    for told in (
        f'<a href="/admin/uploads/upload/{job.upload_id}/change/">sales.csv</a>',
        f'<a href="/admin/accounts/user/{job.owner_id}/change/">ann@example.org</a>',
        'data-state="completed">Completed',
        "1,000",
        "none: everything as found",
        "Created by ann@example.org",
        "Attempt 1",
        workers.name(),
        f"0 – {len(DATA):,}",
        "completed the job",
        "the sales are not a whole number from 0",
        job.result_name,
        "1 files with 100 rejected rows",
    ):
        assert told in page
    assert "Checkpoints</h2>" not in page


def test_its_timeline_is_in_order_with_each_attempt_and_the_error(
    admin: Client, make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> int:
        raise ZeroDivisionError("division <by> zero")

    job = make_upload(DATA).jobs.get()
    lifecycle.claim()
    Job.objects.update(lease_until=Now() - timedelta(seconds=1))
    monkeypatch.setattr(runner, "_commit", fail)
    runner.run_all()
    Job.objects.update(lease_until=Now() - timedelta(seconds=1))
    held = lifecycle.claim()
    assert held is not None
    lifecycle.fail(held, code="upload_damaged", message="Bytes are missing. Upload the file again.")
    job.refresh_from_db()
    assert titles(job)[2:] == ["Attempt 1", "Attempt 2", "Attempt 3", "Failed"]
    assert set(titles(job)[:2]) == {"Created by ann@example.org", f"Upload complete, {size(len(DATA))}"}
    page = page_of(admin, job)
    assert (
        page.index("the worker was lost") < page.index("ended by an unexpected error") < page.rindex("upload_damaged")
    )
    assert "ZeroDivisionError: division &lt;by&gt; zero" in page
    assert page.count("Bytes are missing. Upload the file again.") == 2


def test_a_waiting_job_shows_its_open_attempt_and_the_checkpoints_there_are(admin: Client, half_done: Job) -> None:
    page = page_of(admin, half_done)
    assert "still open" in page
    assert "Checkpoints</h2>" in page
    shown = timeline.of(half_done)["checkpoints"]
    assert [row["start"] for row in shown] == list(half_done.checkpoints.values_list("start", flat=True))
    assert all(row["state_size"] > 0 for row in shown)
    assert f"{half_done.bytes_done:,} of {len(DATA):,} bytes" in page


def test_its_options_are_shown_as_they_were_chosen(admin: Client, finished: Finished) -> None:
    job = finished(DATA)
    Job.objects.update(options={"columns": {"department": "Größe"}, "amounts": True})
    page = page_of(admin, job)
    assert "Größe" in page


def test_it_asks_no_more_queries_for_more_attempts_and_checkpoints(
    admin: Client, half_done: Job, django_assert_num_queries: Any
) -> None:
    page_of(admin, half_done)  # begins the session
    with CaptureQueriesContext(connection) as once:
        page_of(admin, half_done)
    for _ in range(20):
        Attempt.objects.create(job=half_done, worker="w:1", started_at=Now(), ended_at=Now(), start=0, end=0)
    with django_assert_num_queries(len(once)):
        page_of(admin, half_done)


@pytest.mark.parametrize(
    ("ending", "offered"),
    [
        ("open", {"cancel", "run_again"}),
        ("failed", {"retry", "run_again"}),
        ("completed", {"run_again"}),
        ("gone", set()),
    ],
)
def test_it_offers_what_can_be_done(admin: Client, half_done: Job, ending: str, offered: set[str]) -> None:
    if ending == "gone":
        uploads.cancel(half_done.upload)
    elif ending != "open":
        Job.objects.update(status=ending)
    page = page_of(admin, half_done)
    assert {action for action in ("retry", "cancel", "run_again", "undo") if f'value="{action}"' in page} == offered
    assert f"{JOBS}{half_done.pk}/delete/" in page


def test_an_import_tells_what_it_has_imported_and_nothing_of_totals(admin: Client, imported: Finished) -> None:
    job = imported(CUSTOMERS)
    page = page_of(admin, job)
    assert f'<a href="/admin/reports/customer/?job__id__exact={job.pk}">2</a>' in page
    assert "the e-mail address is not valid" in page
    assert "1 files with 1 rejected rows" in page
    assert "Undone" not in page
    for told_of_reports in ("Departments", "Total sales", "the result"):
        assert told_of_reports not in page


def test_an_import_is_undone_from_its_page_which_tells_of_it_then(admin: Client, imported: Finished) -> None:
    job = imported(CUSTOMERS)
    assert 'value="undo"' in page_of(admin, job)
    form = {"_selected_action": str(job.pk), "from_job": "yes", "action": "undo"}
    assert admin.post(JOBS, form)["Location"] == f"{JOBS}{job.pk}/change/"
    job.refresh_from_db()
    assert titles(job)[-3:] == ["Completed", "Undoing was asked for", "Undone"]
    page = page_of(admin, job)
    assert "Undone at:" in page
    assert 'data-state="completed">Undone' in page
    offered = {action for action in ("retry", "cancel", "run_again", "undo") if f'value="{action}"' in page}
    assert offered == {"run_again"}


def test_an_import_that_has_failed_can_be_retried_or_undone_but_not_retried_then(
    admin: Client, imported: Finished
) -> None:
    job = imported(CUSTOMERS)
    Job.objects.update(status="failed")
    page = page_of(admin, job)
    assert 'value="retry"' in page
    assert 'value="undo"' in page
    job.refresh_from_db()
    lifecycle.undo(job)
    page = page_of(admin, job)
    assert 'value="retry"' not in page
    assert 'value="undo"' not in page


def test_what_is_done_from_a_jobs_page_leads_back_to_it_or_to_the_new_job(admin: Client, half_done: Job) -> None:
    form = {"_selected_action": str(half_done.pk), "from_job": "yes"}
    answer = admin.post(JOBS, {**form, "action": "cancel"})
    assert answer["Location"] == f"{JOBS}{half_done.pk}/change/"
    answer = admin.post(JOBS, {**form, "action": "cancel"})
    assert answer["Location"] == f"{JOBS}{half_done.pk}/change/"
    answer = admin.post(JOBS, {**form, "action": "run_again"})
    assert answer["Location"] == f"{JOBS}{Job.objects.latest('created_at').pk}/change/"


def test_who_may_only_view_sees_everything_and_is_offered_nothing(viewer: Client, share: Share) -> None:
    page = page_of(viewer, share.job)
    assert "Attempt 1" in page
    assert "Links to the report" in page
    for offered in ('name="action"', "/delete/", "/revoke"):
        assert offered not in page


def test_a_job_that_is_not_there_leads_to_the_index(admin: Client, viewer: Client) -> None:
    for pk in ("00000000-0000-4000-8000-000000000000", "nonsense"):
        for client in (admin, viewer):
            assert client.get(f"{JOBS}{pk}/change/")["Location"] == "/admin/"


def test_a_link_to_the_report_is_revoked(admin: Client, share: Share) -> None:
    address = f"{JOBS}shares/{share.pk}/revoke"
    assert address in page_of(admin, share.job)
    page = admin.post(address, follow=True).content.decode()
    assert "The link is revoked." in page
    assert address not in page
    assert not shares.valid(share.job).exists()


def test_only_who_may_act_revokes_links_and_only_by_posting(
    admin: Client, viewer: Client, clerk: Client, ann: Client, share: Share
) -> None:
    address = f"{JOBS}shares/{share.pk}/revoke"
    assert admin.get(address).status_code == 405
    assert viewer.post(address).status_code == 403
    assert clerk.post(address).status_code == 403
    assert ann.post(address)["Location"].startswith("/admin/login/")
    assert admin.post(f"{JOBS}shares/{share.job_id}/revoke").status_code == 404
    assert shares.valid(share.job).exists()
