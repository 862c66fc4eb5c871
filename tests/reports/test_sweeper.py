"""The sweep: what no message announces."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from reports import hints, lifecycle, runner
from reports.models import Job, Split, Worker
from reports.sweeper import Sweeper, sweep
from tests.conftest import MakeUpload
from tests.files import sales_csv
from tests.services import wait_until
from uploads.models import Upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
DATA = sales_csv(50)


@pytest.fixture
def hinted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes the hints that are sent."""
    sent: list[str] = []

    def send() -> bool:
        sent.append("look")
        return True

    monkeypatch.setattr(hints, "send", send)
    return sent


def die(times: int) -> None:
    """As many workers claim the job and are never heard of again."""
    for _ in range(times):
        assert lifecycle.claim() is not None
        Job.objects.update(lease_until=Now() - timedelta(seconds=1))


def test_work_whose_hint_was_lost_is_hinted_at_again(make_upload: MakeUpload, hinted: list[str]) -> None:
    make_upload(DATA)
    hinted.clear()
    sweep()
    assert hinted == ["look"]


def test_without_work_there_is_no_hint(hinted: list[str], db: None) -> None:
    sweep()
    assert hinted == []


def test_with_the_broker_away_the_sweeper_does_the_work(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_upload(DATA)
    monkeypatch.setattr(hints, "send", lambda: False)
    sweep()
    assert Job.objects.get().status == "completed"


def test_an_expired_lease_is_taken_over(make_upload: MakeUpload, hinted: list[str]) -> None:
    make_upload(DATA)
    die(1)
    hinted.clear()
    sweep()
    assert hinted == ["look"]
    assert lifecycle.claim() is not None


def test_a_job_that_keeps_killing_its_workers_is_given_up(
    make_upload: MakeUpload, hinted: list[str], settings: Any
) -> None:
    make_upload(DATA)
    die(settings.MAX_ATTEMPTS)
    assert lifecycle.claim() is None
    sweep()
    job = Job.objects.get()
    assert (job.status, job.error_code) == ("failed", "worker_lost")
    assert {attempt.outcome for attempt in job.attempts.all()} == {"lost"}


def test_progress_in_between_gives_new_attempts(make_upload: MakeUpload, hinted: list[str], settings: Any) -> None:
    make_upload(DATA)
    die(settings.MAX_ATTEMPTS - 1)
    held = lifecycle.claim()
    assert held is not None
    window = lifecycle.Window(start=0, end=10, bytes_done=10, state=b"", rows=0, bad_rows=0, context={})
    lifecycle.commit_window(held, window)
    Job.objects.update(lease_until=Now() - timedelta(seconds=1))
    sweep()
    assert Job.objects.get().status == "processing"
    assert lifecycle.claim() is not None


def test_a_job_to_be_cancelled_whose_worker_died_is_cancelled(make_upload: MakeUpload, hinted: list[str]) -> None:
    make_upload(DATA)
    assert lifecycle.claim() is not None
    lifecycle.cancel(Job.objects.get())
    sweep()
    assert Job.objects.get().status == "processing"
    Job.objects.update(lease_until=Now() - timedelta(seconds=1))
    sweep()
    assert Job.objects.get().status == "cancelled"


def test_what_was_laid_out_ahead_is_forgotten_with_the_end_of_its_job(
    make_upload: MakeUpload, hinted: list[str]
) -> None:
    ended, going = make_upload(DATA).jobs.get(), make_upload(DATA).jobs.get()
    for job in (ended, going):
        Split.objects.create(job=job, start=10, end=20)
    lifecycle.cancel(ended)
    sweep()
    assert [split.job for split in Split.objects.all()] == [going]


def test_an_upload_that_never_finishes_fails_its_job_with_what_to_do(
    make_upload: MakeUpload, hinted: list[str]
) -> None:
    make_upload(DATA, chunk=100, whole=False)
    Upload.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    sweep()
    job = Job.objects.get()
    assert (job.status, job.error_code) == ("failed", "upload_expired")
    assert "Upload the file again" in job.error


@pytest.mark.parametrize(
    ("ended", "expected"), [("cancelled", ("cancelled", "")), ("expired", ("failed", "upload_expired"))]
)
def test_a_job_whose_upload_was_ended_by_a_process_that_died_at_once_ends_too(
    make_upload: MakeUpload, hinted: list[str], ended: str, expected: tuple[str, str]
) -> None:
    lost, other = make_upload(DATA), make_upload(DATA)
    assert lifecycle.claim() is not None
    # What it had written when it died; it would have told its jobs next.
    Upload.objects.filter(pk=lost.pk).update(state=ended)
    sweep()
    job = lost.jobs.get()
    assert (job.status, job.error_code) == expected
    assert other.jobs.get().status == "pending"


def test_it_sweeps_at_once_and_again_and_survives_its_errors(
    monkeypatch: pytest.MonkeyPatch, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SWEEP_SECONDS = 0.01
    count, thrice = [0], threading.Event()

    def swept(run_jobs: Callable[[], object]) -> None:
        count[0] += 1
        if count[0] == 3:
            thrice.set()
        raise RuntimeError("the database is away")

    monkeypatch.setattr("reports.sweeper.sweep", swept)
    sweeper = Sweeper()
    sweeper.start()
    assert thrice.wait(10)
    sweeper.stop()
    sweeper.join(10)
    assert "the database is away" in caplog.text


def test_failed_step_does_not_stop_the_steps_after_it(
    make_upload: MakeUpload, hinted: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> int:
        raise RuntimeError("damaged row")

    make_upload(DATA)
    hinted.clear()
    monkeypatch.setattr(lifecycle, "end_abandoned", fail)
    sweep()
    assert hinted == ["look"]
    assert "fail failed; the next sweep tries again" in caplog.text
    assert "damaged row" in caplog.text


def test_worker_stays_alive_and_sweeps_while_it_runs_jobs_itself(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """The broker is down, and the job that the sweep runs takes long."""
    settings.SWEEP_SECONDS = 0.01
    started, may_end, runs = threading.Event(), threading.Event(), [0]

    def run_all() -> int:
        runs[0] += 1
        started.set()
        may_end.wait(600)
        return 1

    make_upload(DATA)
    monkeypatch.setattr(hints, "send", lambda: False)
    monkeypatch.setattr(runner, "run_all", run_all)
    sweeper = Sweeper()
    sweeper.start()
    try:
        assert started.wait(600)
        wait_until(Worker.objects.exists, what="its first sign of life")
        seen_at = Worker.objects.get().seen_at
        wait_until(lambda: Worker.objects.filter(seen_at__gt=seen_at).exists(), what="a sign of life")
        overdue = make_upload(DATA, whole=False)
        Upload.objects.filter(pk=overdue.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        wait_until(lambda: Upload.objects.get(pk=overdue.pk).state == "expired", what="the sweep's other steps")
        assert runs == [1]
    finally:
        may_end.set()
        sweeper.stop()
        sweeper.join(600)
