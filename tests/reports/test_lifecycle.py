"""A job's life: every change guarded, exactly one ending."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from accounts.errors import Refusal
from accounts.models import User
from reports import lifecycle
from reports.lifecycle import Claim, ClaimLost
from reports.models import Checkpoint, Job
from tests.conftest import MakeUser, append
from tests.files import sales_csv
from uploads import lifecycle as upload_lifecycle
from uploads.models import Upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
DATA = sales_csv(50)
MakeJob = Callable[..., Job]


def expire_lease(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1))


def claim() -> Claim:
    claimed = lifecycle.claim()
    assert claimed is not None
    return claimed


def commit(held: Claim, start: int, end: int) -> None:
    window = lifecycle.Window(start, end, bytes_done=end, state=b"", rows=2, bad_rows=1, context={})
    lifecycle.commit_window(held, window)


def test_creating_an_upload_creates_its_job(make_job: MakeJob) -> None:
    job = make_job(DATA)
    assert (job.status, job.kind, job.bytes_done, job.owner) == ("pending", "sales", 0, job.upload.owner)


def test_a_claim_has_a_token_and_a_lease_by_the_databases_clock(make_job: MakeJob, settings: Any) -> None:
    job = make_job(DATA)
    held = claim()
    job.refresh_from_db()
    assert (held.job_id, held.token) == (job.pk, job.token)
    assert (job.status, job.attempt) == ("processing", 1)
    ahead = Job.objects.filter(
        lease_until__gt=Now() + timedelta(seconds=settings.LEASE_SECONDS - 2),
        lease_until__lt=Now() + timedelta(seconds=settings.LEASE_SECONDS + 1),
    )
    assert ahead.exists()


def test_a_claimed_job_is_not_claimed_again(make_job: MakeJob) -> None:
    make_job(DATA)
    claim()
    assert lifecycle.claim() is None


def test_of_many_workers_that_look_at_once_each_job_gets_one(make_job: MakeJob) -> None:
    jobs = {make_job(DATA).pk for _ in range(3)}
    workers = 8
    barrier = threading.Barrier(workers)
    claims: list[Claim | None] = []

    def look() -> None:
        barrier.wait(10)
        try:
            claims.append(lifecycle.claim())
        finally:
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    won = [held.job_id for held in claims if held]
    assert len(won) == len(set(won))
    assert set(won) <= jobs
    while held := lifecycle.claim():
        won.append(held.job_id)
    assert sorted(won) == sorted(jobs)


def test_owners_take_turns(make_job: MakeJob, make_user: MakeUser) -> None:
    bob = make_user("bob@example.org")
    anns = [make_job(DATA).pk for _ in range(3)]
    bobs = make_job(DATA, owner=bob).pk
    assert [claim().job_id for _ in range(4)] == [anns[0], bobs, anns[1], anns[2]]


def test_a_job_whose_upload_has_no_whole_window_yet_is_not_runnable(make_job: MakeJob, settings: Any) -> None:
    settings.WINDOW_BYTES = 1000
    data = sales_csv(200)
    job = make_job(data, chunk=len(data) // 2, whole=False)
    assert job.upload.offset > 1000
    held = claim()
    commit(held, 0, job.upload.offset - 999)
    lifecycle.release(held)
    assert lifecycle.claim() is None
    append(job.upload, data[job.upload.offset :][:1])
    assert lifecycle.claim() is not None


def test_a_window_is_committed_with_its_checkpoint(make_job: MakeJob) -> None:
    job = make_job(DATA)
    held = claim()
    commit(held, 0, 10)
    commit(held, 10, 30)
    job.refresh_from_db()
    assert (job.bytes_done, job.rows, job.bad_rows) == (30, 4, 2)
    assert list(Checkpoint.objects.values_list("start", "end")) == [(0, 10), (10, 30)]


def test_a_worker_that_slept_past_its_lease_writes_nothing(make_job: MakeJob) -> None:
    job = make_job(DATA)
    sleeper = claim()
    commit(sleeper, 0, 10)
    expire_lease(job)
    successor = claim()
    with pytest.raises(ClaimLost):
        commit(sleeper, 10, 20)
    with pytest.raises(ClaimLost):
        lifecycle.renew(sleeper)
    with pytest.raises(ClaimLost):
        lifecycle.write(sleeper, list)
    with pytest.raises(ClaimLost):
        lifecycle.complete(sleeper)
    lifecycle.fail(sleeper, code="x", message="x")
    lifecycle.cancelled(sleeper)
    lifecycle.release(sleeper)
    commit(successor, 10, 30)
    job.refresh_from_db()
    assert (job.status, job.bytes_done, job.token) == ("processing", 30, successor.token)
    assert list(Checkpoint.objects.values_list("start", "end")) == [(0, 10), (10, 30)]


def test_the_same_window_is_never_committed_twice(make_job: MakeJob) -> None:
    make_job(DATA)
    held = claim()
    commit(held, 0, 10)
    with pytest.raises(ClaimLost):
        commit(held, 0, 10)


def test_nothing_of_a_result_is_written_once_cancelling_was_asked_for(make_job: MakeJob) -> None:
    job = make_job(DATA)
    held = claim()
    lifecycle.cancel(job)
    recorded: list[str] = []
    with pytest.raises(ClaimLost):
        lifecycle.write(held, lambda: recorded.append("result"))
    with pytest.raises(ClaimLost):
        lifecycle.complete(held)
    assert recorded == []


def test_a_released_job_goes_on_and_has_lost_no_attempt(make_job: MakeJob) -> None:
    job = make_job(DATA)
    lifecycle.release(claim())
    job.refresh_from_db()
    assert (job.status, job.attempt, job.token, job.lease_until) == ("processing", 0, None, None)
    assert lifecycle.claim() is not None


def test_an_idle_job_is_cancelled_at_once(make_job: MakeJob) -> None:
    job = make_job(DATA)
    lifecycle.cancel(job)
    assert job.status == "cancelled"
    assert job.finished_at is not None
    assert lifecycle.claim() is None


def test_a_running_job_is_cancelled_by_its_worker(make_job: MakeJob) -> None:
    job = make_job(DATA)
    held = claim()
    assert lifecycle.renew(held)
    lifecycle.cancel(job)
    assert (job.status, job.cancel_requested) == ("processing", True)
    assert not lifecycle.renew(held)
    lifecycle.cancelled(held)
    job.refresh_from_db()
    assert job.status == "cancelled"


def test_a_job_that_is_released_while_being_cancelled_is_cancelled(make_job: MakeJob) -> None:
    job = make_job(DATA)
    held = claim()
    lifecycle.cancel(job)
    lifecycle.release(held)
    job.refresh_from_db()
    assert job.status == "cancelled"


def test_an_ended_job_cannot_be_cancelled(make_job: MakeJob) -> None:
    job = make_job(DATA)
    lifecycle.complete(claim())
    with pytest.raises(Refusal) as refused:
        lifecycle.cancel(job)
    assert (refused.value.status, refused.value.code) == (409, "job_finished")
    job.refresh_from_db()
    assert job.status == "completed"


@pytest.mark.parametrize("ending", ["failed", "cancelled"])
def test_a_failed_or_cancelled_job_is_retried_from_its_last_checkpoint(make_job: MakeJob, ending: str) -> None:
    job = make_job(DATA)
    held = claim()
    commit(held, 0, 10)
    if ending == "failed":
        lifecycle.fail(held, code="worker_lost", message="…")
    else:
        lifecycle.cancel(job)
        lifecycle.cancelled(held)
    job.refresh_from_db()
    assert job.status == ending
    lifecycle.retry(job)
    assert (job.status, job.bytes_done, job.error_code, job.error, job.finished_at) == ("pending", 10, "", "", None)
    assert lifecycle.claim() is not None


def test_a_running_or_completed_job_cannot_be_retried(make_job: MakeJob) -> None:
    job = make_job(DATA)
    with pytest.raises(Refusal) as refused:
        lifecycle.retry(job)
    assert (refused.value.status, refused.value.code) == (409, "job_not_retryable")
    lifecycle.complete(claim())
    with pytest.raises(Refusal):
        lifecycle.retry(job)


def test_a_job_without_its_upload_cannot_be_retried(make_job: MakeJob) -> None:
    job = make_job(DATA)
    upload_lifecycle.cancel(job.upload)
    job = Job.objects.get()
    assert job.status == "cancelled"
    with pytest.raises(Refusal) as refused:
        lifecycle.retry(job)
    assert (refused.value.status, refused.value.code) == (410, "upload_gone")


def test_every_visible_change_raises_the_version(make_job: MakeJob) -> None:
    job = make_job(DATA, chunk=500)
    versions = [job.version]

    def note() -> None:
        versions.append(Job.objects.get().version)

    held = claim()
    note()
    commit(held, 0, 10)
    note()
    lifecycle.cancel(job)
    note()
    lifecycle.cancelled(held)
    note()
    lifecycle.retry(job)
    note()
    assert versions == sorted(set(versions))


def test_a_claim_made_up_by_somebody_is_worth_nothing(make_job: MakeJob) -> None:
    job = make_job(DATA)
    claim()
    with pytest.raises(ClaimLost):
        commit(Claim(job_id=job.pk, token=uuid.uuid4()), 0, 10)


def test_a_file_that_is_kept_has_no_job_until_it_is_processed(user: User) -> None:
    upload = append(upload_lifecycle.create(user, length=len(DATA), keep=True), DATA)
    assert lifecycle.claim() is None
    job = lifecycle.process(upload, {"amounts": True})
    assert (job.owner, job.upload, job.status, job.options) == (user, upload, "pending", {"amounts": True})
    assert claim().job_id == job.pk


@pytest.mark.parametrize("state", ["expired", "cancelled"])
def test_a_file_that_is_gone_is_not_processed(make_job: MakeJob, state: str) -> None:
    upload = make_job(DATA).upload
    Upload.objects.update(state=state)
    with pytest.raises(Refusal) as refused:
        lifecycle.process(upload, {})
    assert (refused.value.status, refused.value.code) == (410, "upload_gone")
    assert upload.jobs.count() == 1


def test_a_retried_job_counts_although_it_was_open_when_it_was_loaded(make_job: MakeJob, settings: Any) -> None:
    settings.MAX_OPEN_JOBS = 1
    job = make_job(DATA)
    lifecycle.cancel(Job.objects.get())
    make_job(DATA)
    with pytest.raises(Refusal) as refused:
        lifecycle.retry(job)
    assert refused.value.code == "too_many_jobs"


def test_open_jobs_are_limited_and_others_jobs_do_not_count(make_job: MakeJob, stranger: User, settings: Any) -> None:
    settings.MAX_OPEN_JOBS = 2
    make_job(DATA, owner=stranger)
    jobs = [make_job(DATA), make_job(DATA)]
    for again in (True, False):
        with pytest.raises(Refusal) as refused:
            lifecycle.run_again(jobs[0], {}) if again else make_job(DATA)
        assert (refused.value.status, refused.value.code) == (429, "too_many_jobs")
        assert refused.value.headers["Retry-After"]
    # The upload that would have been one too many is not there either.
    assert Upload.objects.filter(owner=jobs[0].owner).count() == 2
    lifecycle.cancel(jobs[0])
    make_job(DATA)


def test_a_retry_is_no_way_around_the_limit(make_job: MakeJob, settings: Any) -> None:
    settings.MAX_OPEN_JOBS = 1
    job = make_job(DATA)
    lifecycle.cancel(job)
    other = make_job(DATA)
    with pytest.raises(Refusal) as refused:
        lifecycle.retry(job)
    assert (refused.value.status, refused.value.code) == (429, "too_many_jobs")
    lifecycle.cancel(other)
    lifecycle.retry(job)
    assert job.status == "pending"


@pytest.mark.parametrize(("act", "status"), [(lifecycle.cancel, 404), (lifecycle.retry, 410)])
def test_what_is_asked_of_a_job_that_was_deleted_meanwhile_finds_none(
    make_job: MakeJob, act: Callable[[Job], None], status: int
) -> None:
    job = make_job(DATA)
    lifecycle.delete(Job.objects.get())
    with pytest.raises(Refusal) as refused:
        act(job)
    assert refused.value.status == status


def test_of_many_jobs_that_are_made_at_once_no_more_than_the_limit_come(make_job: MakeJob, settings: Any) -> None:
    settings.MAX_OPEN_JOBS = 3
    upload = make_job(DATA).upload
    callers = 6
    barrier = threading.Barrier(callers)
    made: list[bool] = []

    def process() -> None:
        barrier.wait(10)
        try:
            lifecycle.process(upload, {})
            made.append(True)
        except Refusal:
            made.append(False)
        finally:
            connection.close()

    threads = [threading.Thread(target=process) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(made), made.count(True)) == (callers, 2)
    assert Job.objects.count() == 3
