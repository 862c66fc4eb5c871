"""The record of who has worked on a job: kept by the real life cycle, in the same transactions."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from accounts.models import User
from reports import lifecycle, runner, stopping, workers
from reports.models import Attempt, Job
from tests.conftest import MakeUpload, append
from tests.files import sales_csv
from uploads import lifecycle as uploads

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
DATA = sales_csv(1000)
WINDOW = 2000


@pytest.fixture(autouse=True)
def _small_windows(settings: Any) -> None:
    settings.WINDOW_BYTES = WINDOW


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """called(name): from now on this process is the worker of that name."""
    return lambda name: monkeypatch.setattr(workers, "name", lambda: name)


def outcomes() -> list[tuple[str, str]]:
    return list(Attempt.objects.values_list("worker", "outcome"))


def claim_and_die() -> None:
    assert lifecycle.claim() is not None
    Job.objects.update(lease_until=Now() - timedelta(seconds=1))


def fail_once(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """The next window that is folded raises `error`."""
    folded = runner._commit

    def fold(*args: Any) -> int:
        monkeypatch.setattr(runner, "_commit", folded)
        raise error

    monkeypatch.setattr(runner, "_commit", fold)


def test_a_job_that_waits_for_its_bytes_again_and_again_is_one_attempt(user: User) -> None:
    upload = uploads.create(user, length=len(DATA))
    claims = 0
    while upload.offset < len(DATA):
        assert not Attempt.objects.exclude(ended_at=None, outcome="").exists()
        upload = append(upload, DATA[upload.offset : upload.offset + 5000])
        claims += runner.run_all()
    job, attempt = Job.objects.get(), Attempt.objects.get()
    assert claims >= 4
    assert (job.status, attempt.outcome, attempt.worker) == ("completed", "completed", workers.name())
    assert (attempt.start, attempt.end) == (0, len(DATA))
    assert attempt.windows >= len(DATA) // WINDOW
    assert attempt.checkpoint_at is not None
    assert attempt.ended_at is not None
    assert attempt.started_at < attempt.checkpoint_at < attempt.ended_at


def test_the_attempt_is_the_workers_that_took_it_up_last(
    make_upload: MakeUpload, called: Callable[[str], None]
) -> None:
    called("first:1")
    upload = make_upload(DATA, chunk=len(DATA) // 2 + 1, whole=False)
    runner.run_all()
    called("second:2")
    append(upload, DATA[upload.offset :])
    runner.run_all()
    assert outcomes() == [("second:2", "completed")]


def test_a_lost_workers_attempt_is_closed_as_lost_when_another_takes_over(
    make_upload: MakeUpload, called: Callable[[str], None]
) -> None:
    make_upload(DATA)
    called("first:1")
    claim_and_die()
    assert outcomes() == [("first:1", "")]
    called("second:2")
    runner.run_all()
    assert outcomes() == [("first:1", "lost"), ("second:2", "completed")]
    lost, done = Attempt.objects.all()
    assert lost.ended_at is not None
    assert lost.ended_at <= done.started_at


def test_the_next_attempt_begins_where_the_lost_one_had_come(make_upload: MakeUpload) -> None:
    make_upload(DATA)
    held = lifecycle.claim()
    assert held is not None
    end = DATA.index(b"\n", WINDOW) + 1
    window = lifecycle.Window(start=0, end=end, bytes_done=end, state=b"", rows=9, bad_rows=0, context={})
    lifecycle.commit_window(held, window)
    Job.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert lifecycle.claim() is not None
    assert list(Attempt.objects.values_list("start", "end", "windows")) == [(0, end, 1), (end, end, 0)]


def test_an_unexpected_error_is_recorded_with_its_text_and_the_job_goes_on(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_upload(DATA)
    fail_once(monkeypatch, ZeroDivisionError("division by zero"))
    assert runner.run_all() == 1
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.error) == ("crashed", "ZeroDivisionError: division by zero")
    assert attempt.ended_at is not None
    assert Job.objects.get().status == "processing"
    Job.objects.update(lease_until=Now() - timedelta(seconds=1))
    runner.run_all()
    assert [outcome for _, outcome in outcomes()] == ["crashed", "completed"]


def test_an_error_after_the_claim_was_lost_is_not_the_successors(make_upload: MakeUpload) -> None:
    make_upload(DATA)
    sleeper = lifecycle.claim()
    assert sleeper is not None
    Job.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert lifecycle.claim() is not None
    lifecycle.note_error(sleeper, ValueError("late"))
    assert [outcome for _, outcome in outcomes()] == ["lost", ""]


def test_a_worker_that_is_stopped_releases_its_attempt_and_the_next_one_is_another(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_upload(DATA)
    asked = iter([False, False, True])
    monkeypatch.setattr(stopping, "requested", lambda: next(asked, True))
    runner.run_all()
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.windows) == ("released", 1)
    monkeypatch.setattr(stopping, "requested", lambda: False)
    runner.run_all()
    first, second = Attempt.objects.all()
    assert (second.outcome, second.start, second.end) == ("completed", first.end, len(DATA))


def test_a_file_that_cannot_be_read_is_a_failed_attempt(finished: Callable[..., Job]) -> None:
    job = finished(b"a,b\n1,2\n")
    assert job.status == "failed"
    assert outcomes() == [(workers.name(), "failed")]
    assert Attempt.objects.get().error == ""


def test_a_cancelled_job_is_a_cancelled_attempt(make_upload: MakeUpload) -> None:
    make_upload(DATA)
    held = lifecycle.claim()
    assert held is not None
    lifecycle.cancel(Job.objects.get())
    assert outcomes() == [(workers.name(), "")]
    lifecycle.cancelled(held)
    assert outcomes() == [(workers.name(), "cancelled")]


def test_a_job_cancelled_while_it_waits_for_bytes_leaves_no_attempt_open(make_upload: MakeUpload) -> None:
    upload = make_upload(DATA, chunk=5000, whole=False)
    runner.run_all()
    uploads.cancel(upload)
    assert [outcome for _, outcome in outcomes()] == ["cancelled"]


def test_a_retry_begins_a_new_attempt_where_the_last_one_ended(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_upload(DATA)
    asked = iter([False, False, True])
    monkeypatch.setattr(stopping, "requested", lambda: next(asked, True))
    runner.run_all()
    monkeypatch.setattr(stopping, "requested", lambda: False)
    job = Job.objects.get()
    lifecycle.cancel(job)
    lifecycle.retry(job)
    runner.run_all()
    first, second = Attempt.objects.all()
    assert (first.outcome, second.outcome) == ("released", "completed")
    assert second.start == first.end > 0


def test_a_job_that_is_deleted_takes_its_attempts_with_it(finished: Callable[..., Job]) -> None:
    lifecycle.delete(finished(DATA))
    assert not Attempt.objects.exists()
