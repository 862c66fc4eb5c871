"""The operations page: its numbers are right, few queries give them, and who may see them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone, translation

from reports import lifecycle, operations, runner, workers
from reports.models import Job, Worker
from tests.conftest import MakeUpload, MakeUser
from tests.files import sales_csv
from uploads import lifecycle as uploads

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
DATA = sales_csv(1000, bad_every=10)
PAGE = "/admin/reports/job/operations/"
NUMBERS = f"{PAGE}numbers"
Finished = Callable[..., Job]


@pytest.fixture(autouse=True)
def _small_windows(settings: Any) -> None:
    settings.WINDOW_BYTES = 2000


@pytest.fixture
def half_sent(make_upload: MakeUpload) -> Callable[[str], Job]:
    """half_sent(name) -> the job of an upload of which half has come."""
    return lambda name: make_upload(DATA, chunk=len(DATA) // 2 + 1, whole=False, name=name).jobs.get()


def ago(**span: float) -> Any:
    return timezone.now() - timedelta(**span)


def states() -> dict[str, str]:
    return {job["filename"]: job["state"] for job in operations.live()["jobs"]}


def test_the_queue_counts_what_could_run_is_worked_on_and_waits_for_bytes(
    make_upload: MakeUpload, half_sent: Callable[[str], Job], finished: Finished
) -> None:
    finished(DATA, name="done.csv")
    half_sent("waiting.csv")
    runner.run_all()
    make_upload(DATA, name="at work.csv")
    assert lifecycle.claim() is not None
    make_upload(DATA, name="ready.csv")
    half_sent("also ready.csv")
    assert operations.live()["queue"] | {"oldest": "", "oldest_seconds": 0} == {
        "ready": 2,
        "at_work": 1,
        "waiting": 1,
        "oldest": "",
        "oldest_seconds": 0,
    }
    assert states() == {
        "waiting.csv": "waiting",
        "at work.csv": "at_work",
        "ready.csv": "ready",
        "also ready.csv": "ready",
    }


def test_the_age_of_the_oldest_runnable_job_begins_when_it_could_have_run(make_upload: MakeUpload) -> None:
    assert operations.live()["queue"]["oldest"] == "–"
    upload = make_upload(DATA)
    Job.objects.update(created_at=ago(hours=9))
    type(upload).objects.update(created_at=ago(hours=9), completed_at=ago(seconds=150))
    queue = operations.live()["queue"]
    assert 150 <= queue["oldest_seconds"] < 160
    assert queue["oldest"].startswith("2 min 3")


def test_a_job_being_cancelled_says_so(make_upload: MakeUpload) -> None:
    make_upload(DATA)
    lifecycle.claim()
    lifecycle.cancel(Job.objects.get())
    assert states() == {"sales.csv": "cancelling"}


def test_an_import_behind_another_of_its_owners_waits_for_its_turn_and_not_for_bytes(
    make_upload: MakeUpload, make_user: MakeUser
) -> None:
    data = b"name,email,company\nAda,ada@example.org,Engines\n"
    make_upload(data, kind="customers", name="first.csv")
    make_upload(data, kind="customers", name="second.csv")
    make_upload(data, kind="customers", name="bob's.csv", owner=make_user("bob@example.org"))
    told = {job["filename"]: (job["state"], job["state_text"]) for job in operations.live()["jobs"]}
    assert told == {
        "first.csv": ("ready", "Waiting for a worker"),
        "second.csv": ("waiting", "Waiting for its turn"),
        "bob's.csv": ("ready", "Waiting for a worker"),
    }


def test_an_open_job_tells_how_far_it_is_who_works_on_it_and_whose_it_is(half_sent: Callable[[str], Job]) -> None:
    job = half_sent("half.csv")
    runner.run_all()
    shown = operations.live()["jobs"][0]
    job.refresh_from_db()
    assert (shown["bytes_done"], shown["length"], shown["rows"]) == (job.bytes_done, len(DATA), job.rows)
    assert shown["bytes_done"] <= shown["received"] < shown["length"]
    assert (shown["owner"], shown["attempt"]) == ("ann@example.org", 1)
    assert (shown["worker"], shown["rate"]) == ("–", None)
    Job.objects.update(lease_until=Now() + timedelta(seconds=60), started_at=ago(seconds=10))
    shown = operations.live()["jobs"][0]
    assert shown["worker"] == workers.name()
    assert shown["rate"] == pytest.approx(job.rows / 10, rel=0.2)


def test_with_more_jobs_than_fit_those_that_are_worked_on_are_shown(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "MOST_JOBS", 2)
    make_upload(DATA, name="worked on.csv")
    lifecycle.claim()
    for count in range(4):
        make_upload(DATA, name=f"{count}.csv")
    live = operations.live()
    assert len(live["jobs"]) == 2
    assert "worked on.csv" in states()
    assert live["queue"]["ready"] == 4


def test_workers_are_alive_or_lost_and_tell_what_they_work_on(make_upload: MakeUpload) -> None:
    assert "No worker is alive" in operations.live()["alarm"]
    workers.arrive()
    Worker.objects.create(name="away:1", started_at=ago(hours=3), seen_at=ago(hours=2))
    make_upload(DATA, name="a.csv")
    lifecycle.claim()
    live = operations.live()
    away, here = sorted(live["workers"], key=lambda worker: worker["state"], reverse=True)
    assert live["alarm"] == ""
    assert (away["name"], away["state"], away["seen"], away["jobs"]) == ("away:1", "lost", "2 h 0 min ago", "–")
    assert (here["name"], here["state"], here["jobs"]) == (workers.name(), "alive", "a.csv")


def test_a_worker_that_holds_a_job_is_alive_too_busy_as_it_may_be_to_say_so(make_upload: MakeUpload) -> None:
    Worker.objects.create(name=workers.name(), started_at=ago(hours=3), seen_at=ago(hours=2))
    make_upload(DATA)
    lifecycle.claim()
    assert [worker["state"] for worker in operations.live()["workers"]] == ["alive"]


def test_throughput_sums_what_was_completed_in_the_last_hour_day_and_week(finished: Finished) -> None:
    for span in (timedelta(minutes=1), timedelta(hours=2), timedelta(days=3), timedelta(days=8)):
        job = finished(DATA)
        Job.objects.filter(pk=job.pk).update(finished_at=timezone.now() - span)
    finished(b"a,b\n1,2\n")
    hour, day, week = operations.totals()["throughput"]
    assert (hour["jobs"], hour["rows"], hour["bytes"]) == (1, 1000, len(DATA))
    assert (day["jobs"], day["rows"], day["bytes"]) == (2, 2000, 2 * len(DATA))
    assert (week["jobs"], week["rows"], week["bytes"]) == (3, 3000, 3 * len(DATA))


def test_failures_are_counted_by_reason_and_linked_to_the_same_jobs(admin: Client, finished: Finished) -> None:
    for name in ("one.csv", "two.csv", "old.csv"):
        finished(b"a,b\n1,2\n", name=name)
    finished(b"Department,Sales\n\0\0\0", name="fine.csv")
    Job.objects.filter(upload__filename="old.csv").update(finished_at=ago(days=8))
    Job.objects.filter(upload__filename="two.csv").update(finished_at=ago(hours=2))
    failure = operations.totals()["failures"][0]
    assert (failure["code"], failure["count"]) == ("missing_columns", 2)
    assert failure["latest"].endswith(" s ago")
    assert parse_qs(urlsplit(failure["url"]).query)["error_code"] == ["missing_columns"]
    listed = admin.get(failure["url"]).content.decode()
    assert "one.csv" in listed
    assert "two.csv" in listed
    assert "old.csv" not in listed
    assert "fine.csv" not in listed


def test_storage_is_what_the_parts_are_by_their_uploads_state(make_upload: MakeUpload, make_user: MakeUser) -> None:
    bob = make_user("bob@example.org")
    make_upload(DATA, chunk=5000)
    make_upload(DATA, chunk=5000, whole=False)
    make_upload(DATA, owner=bob, chunk=5000)
    gone = make_upload(DATA)
    uploads.cancel(gone)
    whole = -(-len(DATA) // 5000)
    storage = {row["id"]: row for row in operations.totals()["storage"]}
    assert (storage["complete"]["uploads"], storage["complete"]["parts"]) == (2, 2 * whole)
    assert storage["complete"]["bytes"] == 2 * len(DATA)
    assert (storage["receiving"]["parts"], storage["receiving"]["bytes"]) == (whole - 1, (whole - 1) * 5000)
    assert (storage["cancelled"]["uploads"], storage["cancelled"]["bytes"]) == (1, 0)
    assert storage["all"]["bytes"] == 2 * len(DATA) + (whole - 1) * 5000
    owners = [(owner["email"], owner["uploads"], owner["bytes"]) for owner in operations.totals()["owners"]]
    assert owners == [("ann@example.org", 2, storage["all"]["bytes"] - len(DATA)), ("bob@example.org", 1, len(DATA))]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (3600, "1 h 0 min"), (172800, "2 days")],
)
def test_time_spans_are_told_in_their_largest_units(seconds: float, text: str) -> None:
    with translation.override("en"):
        assert operations.lasting(seconds) == text


def test_the_number_of_queries_stays_the_same_however_much_there_is(
    finished: Finished, half_sent: Callable[[str], Job], make_user: MakeUser, django_assert_num_queries: Any
) -> None:
    def fill() -> None:
        half_sent("open.csv")
        finished(DATA)
        finished(b"a,b\n1,2\n")

    fill()
    for read, queries in ((operations.live, 4), (operations.totals, 5)):
        with django_assert_num_queries(queries):
            read()
    for count in range(4):
        fill()
        Worker.objects.create(name=f"w:{count}", started_at=Now(), seen_at=Now())
    for read, queries in ((operations.live, 4), (operations.totals, 5)):
        with django_assert_num_queries(queries):
            read()


def test_the_page_is_whole_without_any_script(admin: Client, half_sent: Callable[[str], Job]) -> None:
    half_sent("half.csv")
    runner.run_all()
    workers.arrive()
    page = admin.get(PAGE).content.decode()
    job = Job.objects.get()
    for shown in ("half.csv", "Waiting for bytes", f'value="{job.bytes_done}"', workers.name(), "Alive", "Last hour"):
        assert shown in page
    assert 'style="' not in page


def test_an_empty_service_has_an_empty_page(admin: Client) -> None:
    page = admin.get(PAGE).content.decode()
    for shown in ("No job is open.", "No job has failed.", "Nothing is stored.", "No worker is alive"):
        assert shown in page


def test_the_script_gets_the_same_numbers_and_may_ask_for_the_lively_ones_alone(
    viewer: Client, half_sent: Callable[[str], Job]
) -> None:
    half_sent("half.csv")
    everything, lively = viewer.get(NUMBERS).json(), viewer.get(f"{NUMBERS}?part=live").json()
    assert everything.keys() == {*operations.live(), *operations.totals()}
    assert lively.keys() == operations.live().keys()
    assert everything["jobs"][0]["filename"] == "half.csv"


def test_it_is_linked_from_the_index_and_the_list_for_whoever_may_see_it(viewer: Client, clerk: Client) -> None:
    assert PAGE in viewer.get("/admin/").content.decode()
    assert PAGE in viewer.get("/admin/reports/job/").content.decode()
    assert PAGE not in clerk.get("/admin/").content.decode()


@pytest.mark.parametrize("path", [PAGE, NUMBERS])
def test_it_is_for_staff_who_may_view_jobs(
    viewer: Client, clerk: Client, ann: Client, client: Client, path: str
) -> None:
    assert viewer.get(path).status_code == 200
    assert viewer.post(path).status_code == 405
    assert clerk.get(path).status_code == 403
    for outsider in (ann, client):
        assert outsider.get(path)["Location"].startswith("/admin/login/")


def test_whoever_is_no_staff_ends_at_the_log_in(ann: Client, client: Client) -> None:
    assert client.get(PAGE, follow=True).redirect_chain[-1][0].startswith("/accounts/login/")
