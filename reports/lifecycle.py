"""A job's life: ``pending → processing → completed | failed | cancelled``, and back to pending by retry.

The one place that changes a job's state. The row in the database is the truth; messages are hints. Every change is a
guarded UPDATE, and a count other than 1 means that somebody else has decided: nothing is written then.

The promise is at-least-once execution and an exactly-once result. A worker claims a job with a fresh token and a
lease; whatever it writes is guarded by that token. Failure story: worker A is stopped (SIGSTOP) longer than its lease,
B claims the job and goes on from the last checkpoint, A wakes up and commits its window. A's UPDATE names a token that
is no longer there, hits no row, and its transaction is rolled back: the window is counted once, by B.

Times of leases are the database's clock alone; a worker's clock may be wrong.
"""

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import (
    BigIntegerField,
    Case,
    DateTimeField,
    ExpressionWrapper,
    F,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils.translation import gettext as _

from accounts.errors import Refusal, not_found
from accounts.models import User
from reports import attempts, checkpoints, events, hints, notifications, results, turns
from reports.models import FINISHED, OPEN, Attempt, Job, RejectedRows
from reports.models.jobs import DEFAULT_KIND
from reports.pipelines import pipeline_for, pipelines
from reports.webhooks import outbox
from uploads import lifecycle as uploads
from uploads.models import Upload

logger = logging.getLogger(__name__)
# Somebody waits for the answer, and the sweep has other things to do too.
UNDO_AT_ONCE_SECONDS = 3.0
UNDO_SWEEP_SECONDS = 10.0
Status = Job.Status


class ClaimLost(Exception):
    """The job is no longer this worker's: taken over, cancelled or failed by somebody else. Stop and write nothing."""


@dataclass(frozen=True)
class Window:
    """A folded window: the contents ``[start, end)`` of the file, its `state`, and what the job's row learns from it.

    `bytes_done` of the upload lie behind `end`. `rejected_name` is the file of its rejected rows, if it has any.
    """

    start: int
    end: int
    bytes_done: int
    state: bytes
    rows: int
    bad_rows: int
    context: Mapping[str, Any]
    rejected_name: str = ""
    rejected_rows: int = 0


@dataclass(frozen=True)
class Claim:
    """The right to work on a job: its id and the token under which everything is written."""

    job_id: uuid.UUID
    token: uuid.UUID

    def rows(self) -> QuerySet[Job]:
        """The job's row while the claim holds; else nothing."""
        return Job.objects.filter(pk=self.job_id, token=self.token, status=Status.PROCESSING)


def create(upload: Upload, *, kind: str = DEFAULT_KIND, options: Mapping[str, Any] | None = None) -> Job:
    """A new job over `upload`, for its owner. Raises `Refusal` (429) when too many of theirs have not ended.

    To be called in a transaction that holds the owner's row or the upload's, so that the limit is one.
    """
    check_open_jobs(upload.owner)
    job = Job.objects.create(owner=upload.owner, upload=upload, kind=kind, options=dict(options or {}))
    _announce(job.pk)
    transaction.on_commit(lambda: hint_if_runnable(job.pk))
    return job


def runnable() -> QuerySet[Job]:
    """Open jobs that nobody holds, whose turn it is, and that have something to fold: a whole window, or the file's
    end."""
    whole = Q(upload__state=Upload.State.COMPLETE)
    sizes = [When(kind=kind, then=pipeline.window_bytes) for kind, pipeline in pipelines().items()]
    enough = F("bytes_done") + Greatest(F("wanted_bytes"), Case(*sizes, output_field=BigIntegerField()))
    window = Q(upload__state=Upload.State.RECEIVING, upload__offset__gte=enough)
    open_jobs = Job.objects.filter(
        _free(), whole | window, status__in=OPEN, cancel_requested=False, attempt__lt=settings.MAX_ATTEMPTS
    )
    return open_jobs.filter(turns.is_next())


def hint_if_runnable(job_id: uuid.UUID) -> None:
    """Tell the workers that there is something to do, if there is."""
    if runnable().filter(pk=job_id).exists():
        hints.send()


def claim() -> Claim | None:
    """Take the next runnable job: of the owner whose latest claim is the longest ago, the oldest job."""
    queue = _queue()
    while (job := queue.first()) is not None:
        takes_turns = pipeline_for(job.kind).one_at_a_time
        with transaction.atomic():
            if takes_turns:
                # The owner's row before the job's, as everybody takes them who takes both.
                turns.hold(job.owner_id)
                free = queue.filter(pk=job.pk)
            else:
                free = queue.exclude(kind__in=turns.kinds())
            if connection.features.has_select_for_update_skip_locked:
                # Two workers that look at once get two jobs, instead of one of them waiting for the other's.
                free = free.select_for_update(skip_locked=True, of=("self",))
            claimed = _take(free.first())
        if claimed is not None:
            return claimed
        # Others were faster; there may be something else to do.
        queue = queue.exclude(pk=job.pk) if takes_turns else queue.filter(kind__in=turns.kinds())
    return None


def renew(claim: Claim) -> bool:
    """Prolong the lease; returns whether the job should go on, which it should not when cancelling was asked for.

    Raises `ClaimLost`.
    """
    if not claim.rows().update(lease_until=_lease_end()):
        raise ClaimLost
    return not claim.rows().filter(cancel_requested=True).exists()


def commit_window(claim: Claim, settle: Window | Callable[[], Window]) -> Window:
    """Write a window's checkpoint, and return the window: all or nothing, only under the claim.

    It is given, or found out in the transaction by `settle`, which writes what else it gives. Raises
    `ClaimLost`, having written nothing.
    """
    # Merging may take a while, and the transaction below holds up every other writer where the database is SQLite. What
    # is read here is this claim's alone to change, or the update below fails.
    plan = None if callable(settle) else _plan(claim, settle)
    with transaction.atomic():
        window = settle() if callable(settle) else settle
        moved = (
            claim.rows()
            .filter(position=window.start)
            .update(
                position=window.end,
                bytes_done=window.bytes_done,
                wanted_bytes=0,
                rows=F("rows") + window.rows,
                bad_rows=F("bad_rows") + window.bad_rows,
                context=window.context,
                attempt=1,
                lease_until=_lease_end(),
                version=F("version") + 1,
            )
        )
        if not moved:
            raise ClaimLost
        checkpoints.store(plan or _plan(claim, window))
        attempts.advance(claim.job_id, position=window.end)
        if window.rejected_name:
            RejectedRows.objects.create(
                job_id=claim.job_id,
                start=window.start,
                rows=window.rejected_rows,
                storage_name=window.rejected_name,
            )
    return window


def release(claim: Claim, *, wanted_bytes: int = 0) -> None:
    """Give the job back, to go on later: `wanted_bytes` more have not come yet, or this worker is being stopped."""
    with transaction.atomic():
        released = claim.rows().update(
            token=None,
            lease_until=None,
            wanted_bytes=wanted_bytes,
            attempt=F("attempt") - 1,
            version=F("version") + 1,
        )
        if released and not wanted_bytes:
            attempts.end(claim.job_id, Attempt.Outcome.RELEASED)
        # Cancelling may have been asked for while the lease was held, up to this moment.
        idle = Job.objects.filter(lease_until=None, cancel_requested=True, status__in=OPEN)
        if _finish(claim.job_id, idle, Status.CANCELLED) or released:
            _announce(claim.job_id)


def note_error(claim: Claim, error: Exception) -> None:
    """Something unexpected ended the attempt. The job itself goes on when the lease has run out."""
    if claim.rows().exists():
        attempts.end(claim.job_id, Attempt.Outcome.CRASHED, error=f"{type(error).__name__}: {error}")


def write(claim: Claim, record: Callable[[], object]) -> None:
    """Let `record` write a part of the result, under the claim. Raises `ClaimLost`, having written nothing.

    A large result is written in many parts, since a transaction holds up every other writer where the database is
    SQLite. Failure story: worker A dies, or sleeps, with half of them written. B claims the job, and the first thing it
    records is that none are there. A's next part finds that the claim is gone.
    """
    with transaction.atomic():
        if not claim.rows().filter(cancel_requested=False).update(lease_until=_lease_end()):
            raise ClaimLost
        record()


def complete(claim: Claim, **fields: Any) -> None:
    """End the job with its result: `fields` of the job, all else having been written.

    Raises `ClaimLost`, having written nothing, also when cancelling was asked for first.
    """
    with transaction.atomic():
        if not _finish(claim.job_id, claim.rows().filter(cancel_requested=False), Status.COMPLETED, **fields):
            raise ClaimLost
        checkpoints.remove(claim.job_id)
        _announce(claim.job_id)
        _notify(claim.job_id)
    logger.info("job %s completed", claim.job_id)


def fail(claim: Claim, *, code: str, message: str) -> None:
    """End the job with an error that is the file's or the system's, told to the owner as `message`."""
    if _finish(claim.job_id, claim.rows(), Status.FAILED, error_code=code, error=message):
        _announce(claim.job_id)
        _notify(claim.job_id)
        logger.warning("job %s failed: %s", claim.job_id, code)


def cancel(job: Job) -> None:
    """Cancel an open job: at once when nobody works on it, else as soon as its worker looks, within a window.

    Raises `Refusal`: 409 when the job has ended already (of cancelling and finishing, one wins), 404 when it is gone.
    """
    opened = Job.objects.filter(pk=job.pk, status__in=OPEN)
    changed = _finish(job.pk, opened.filter(_free()), Status.CANCELLED)
    changed = changed or opened.update(cancel_requested=True, version=F("version") + 1) == 1
    _reload(job)
    if not changed:
        raise Refusal("job_finished", _("The job has ended already; there is nothing to cancel."), status=409)
    _announce(job.pk)


def cancelled(claim: Claim) -> None:
    """The worker has stopped, as was asked."""
    if _finish(claim.job_id, claim.rows(), Status.CANCELLED):
        _announce(claim.job_id)


def retry(job: Job) -> None:
    """Run a failed or cancelled job again, from its last checkpoint. Raises `Refusal` (404, 409, 410, 429)."""
    with transaction.atomic():
        owner, _upload = _hold_file(job.upload)
        if job.is_finished:
            check_open_jobs(owner)
        ended = Job.objects.filter(pk=job.pk, status__in=(Status.FAILED, Status.CANCELLED), undo_requested_at=None)
        changed = ended.update(
            status=Status.PENDING,
            cancel_requested=False,
            attempt=0,
            error_code="",
            error="",
            finished_at=None,
            version=F("version") + 1,
        )
        if not changed:
            _reload(job)
            raise Refusal("job_not_retryable", _("Only failed or cancelled jobs can be retried."), status=409)
        _announce(job.pk)
        transaction.on_commit(lambda: hint_if_runnable(job.pk))
    _reload(job)


def process(upload: Upload, options: Mapping[str, Any], *, kind: str = DEFAULT_KIND) -> Job:
    """A job over a file that is there already, with these options. Raises `Refusal` (410, 429)."""
    with transaction.atomic():
        _owner, there = _hold_file(upload)
        return create(there, kind=kind, options=options)


def run_again(job: Job, options: Mapping[str, Any], *, kind: str = "") -> Job:
    """A new job over the same file with these options, perhaps of another kind; the old one stays as it is.

    Raises `Refusal` (410, 429).
    """
    return process(job.upload, options, kind=kind or job.kind)


def undo(job: Job) -> None:
    """Remove what a job that has ended has written for its owner; the sweep goes on where that takes long or is cut
    short.

    Raises `Refusal` (404, 409).
    """
    pipeline = pipeline_for(job.kind)
    if not pipeline.can_be_undone:
        raise Refusal("not_undoable", _("Only an import can be undone."), status=409)
    with transaction.atomic():
        changed = Job.objects.filter(pk=job.pk, status__in=FINISHED, undo_requested_at=None).update(
            undo_requested_at=Now(), version=F("version") + 1
        )
        _reload(job)
        if not changed and job.is_undone:
            raise Refusal("undone_already", _("The import has been undone already."), status=409)
        if not changed:
            message = _("The import has not ended. Cancel it first, or wait until it is done.")
            raise Refusal("job_open", message, status=409)
        pipeline.check_undo(job)
        _announce(job.pk)
    _finish_undo(job, seconds=UNDO_AT_ONCE_SECONDS)
    _reload(job)


def finish_undos() -> int:
    """Go on with what was to be undone and is not yet; returns how many jobs that were."""
    left = list(Job.objects.filter(undo_requested_at__isnull=False, undone_at=None))
    for job in left:
        try:
            _finish_undo(job, seconds=UNDO_SWEEP_SECONDS)
        except DatabaseError:
            # The next sweep tries again; the others need not wait for it.
            logger.exception("job %s: undoing failed", job.pk)
    return len(left)


def check_open_jobs(owner: User) -> None:
    """Raise `Refusal` (429) when another job of `owner` would be one too many at a time."""
    if Job.objects.filter(owner=owner, status__in=OPEN).count() >= settings.MAX_OPEN_JOBS:
        message = _("%(count)s of your jobs have not ended, and more are not possible. Wait for some, or cancel them.")
        raise Refusal(
            "too_many_jobs",
            message % {"count": settings.MAX_OPEN_JOBS},
            status=429,
            headers={"Retry-After": "30"},
        )


def delete(job: Job) -> None:
    """Remove the job with its results, and its upload unless that is kept or another job reads it too. What it has
    written for its owner, such as customers, stays.

    A worker that has the job right now finds nothing to write to, and removes what it has stored.
    """
    pipeline = pipeline_for(job.kind)
    if Job.objects.filter(pk=job.pk, undo_requested_at__isnull=False, undone_at=None).exists():
        # Later nobody could tell what was to be removed.
        for _step in pipeline.undo(job):
            pass
    pipeline.let_go(job)
    with transaction.atomic():
        # Two jobs of one upload that are deleted at once must not each leave the upload to the other.
        upload = Upload.objects.select_for_update().filter(pk=job.upload_id).first()
        job_id, owner_id = job.pk, job.owner_id
        if upload is None:
            # Somebody else has just removed both.
            return
        # A worker that is just committing a window does so before what it writes is let go, or not at all.
        Job.objects.select_for_update().filter(pk=job_id).first()
        Job.objects.filter(pk=job_id).delete()
        transaction.on_commit(lambda: events.announce_removed(owner_id, job_id))
        if pipeline.one_at_a_time:
            transaction.on_commit(_hint_next)
        last = not upload.keep and not Job.objects.filter(upload=upload).exists()
        if last:
            uploads.abandon(upload)
    results.remove_all(job_id)
    if last:
        uploads.remove(upload)
    logger.info("job %s deleted", job_id)


def end_for_lost_upload(upload: Upload) -> None:
    """The upload expired or was cancelled: its open jobs can never finish."""
    if upload.state == Upload.State.EXPIRED:
        ending: dict[str, Any] = {
            "error_code": "upload_expired",
            "error": "The upload was not finished in time. Upload the file again.",
        }
        status = Status.FAILED
    else:
        ending, status = {}, Status.CANCELLED
    for job_id in list(Job.objects.filter(upload=upload, status__in=OPEN).values_list("pk", flat=True)):
        if _finish(job_id, Job.objects.filter(status__in=OPEN), status, **ending):
            _announce(job_id)
            if status == Status.FAILED:
                _notify(job_id)


def upload_progressed(upload: Upload) -> None:
    """Bytes have come: a visible change of the upload's open jobs, and perhaps work."""
    for job_id in Job.objects.filter(upload=upload, status__in=OPEN).values_list("pk", flat=True):
        Job.objects.filter(pk=job_id).update(version=F("version") + 1)
        events.announce_progress(job_id)
        hint_if_runnable(job_id)


def end_abandoned() -> int:
    """End the jobs whose worker died and that should not be taken over; returns how many.

    Those are the ones that were to be cancelled, and the ones that have cost `MAX_ATTEMPTS` workers their lives without
    completing a window: to go on would block everybody else's jobs.
    """
    dead = Job.objects.filter(_free(), status__in=OPEN)
    ended = 0
    for job_id in list(dead.filter(cancel_requested=True).values_list("pk", flat=True)):
        ended += _end_dead(job_id, Q(cancel_requested=True), Status.CANCELLED)
    exhausted = Q(attempt__gte=settings.MAX_ATTEMPTS)
    for job_id in list(dead.filter(exhausted).values_list("pk", flat=True)):
        ended += _end_dead(
            job_id,
            exhausted,
            Status.FAILED,
            error_code="worker_lost",
            error="Processing stopped unexpectedly several times at the same place. Retry, or ask the operator.",
        )
    return ended


def _plan(claim: Claim, window: Window) -> checkpoints.Plan:
    return checkpoints.plan(claim.job_id, start=window.start, end=window.end, state=window.state)


def _queue() -> QuerySet[Job]:
    """Runnable jobs in the order in which they are claimed."""
    turn = Job.objects.filter(owner=OuterRef("owner")).values("owner").annotate(at=Max("claimed_at")).values("at")
    queue = runnable().annotate(turn=Subquery(turn)).order_by(F("turn").asc(nulls_first=True), "created_at", "pk")
    return queue.only("pk", "kind", "owner_id", "token", "position")


def _take(job: Job | None) -> Claim | None:
    """Claim this job, if nobody has meanwhile."""
    if job is None:
        return None
    token = uuid.uuid4()
    taken = Job.objects.filter(_free(), pk=job.pk, status__in=OPEN, cancel_requested=False).update(
        status=Status.PROCESSING,
        token=token,
        lease_until=_lease_end(),
        claimed_at=Now(),
        started_at=Coalesce("started_at", Now()),
        attempt=F("attempt") + 1,
        version=F("version") + 1,
    )
    if not taken:
        return None
    attempts.begin(job)
    _announce(job.pk)
    return Claim(job_id=job.pk, token=token)


def _end_dead(job_id: uuid.UUID, condition: Q, status: Job.Status, **ending: Any) -> int:
    dead = Job.objects.filter(condition, status__in=OPEN).filter(_free())
    ended = _finish(job_id, dead, status, outcome=Attempt.Outcome.LOST, **ending)
    if ended:
        _announce(job_id)
        if status == Status.FAILED:
            _notify(job_id)
    return ended


def _finish(
    job_id: uuid.UUID, rows: QuerySet[Job], status: Job.Status, *, outcome: Attempt.Outcome | None = None, **fields: Any
) -> int:
    """The one way into a final state, for a job that is still among `rows`; returns whether it was.

    The token goes, so that nothing can be written any more. `outcome` is that of the attempt, if it is another.
    """
    assert status in FINISHED
    with transaction.atomic():
        finished = rows.filter(pk=job_id).update(
            status=status, token=None, lease_until=None, finished_at=Now(), version=F("version") + 1, **fields
        )
        if finished:
            attempts.end(job_id, outcome or Attempt.Outcome(status.value))
            if status != Status.CANCELLED:
                outbox.write_end(job_id)
            if Job.objects.filter(pk=job_id, kind__in=turns.kinds()).exists():
                transaction.on_commit(_hint_next)
    return finished


def _finish_undo(job: Job, *, seconds: float) -> None:
    until = time.monotonic() + seconds
    for _step in pipeline_for(job.kind).undo(job):
        if time.monotonic() > until:
            return
    if Job.objects.filter(pk=job.pk, undone_at=None).update(undone_at=Now(), version=F("version") + 1):
        _announce(job.pk)
        logger.info("job %s undone", job.pk)


def _hint_next() -> None:
    """A job has ended that took its turn; another may be next."""
    if runnable().exists():
        hints.send()


def _hold_file(upload: Upload) -> tuple[User, Upload]:
    """The owner's row and the upload's, until the transaction ends. Raises `Refusal` (410) when the file is gone.

    So it is not removed meanwhile with the last of its jobs. The upload comes after its owner, as in the transaction
    that creates one: in another order two could wait for each other.
    """
    owner = User.objects.select_for_update().get(pk=upload.owner_id)
    there = Upload.objects.select_for_update().filter(pk=upload.pk).first()
    if there is None or there.state in (Upload.State.EXPIRED, Upload.State.CANCELLED):
        raise Refusal("upload_gone", _("The job's file is gone; upload it again."), status=410)
    return owner, there


def _reload(job: Job) -> None:
    """The job as it is now. Raises `Refusal` (404) when it has been deleted meanwhile."""
    try:
        job.refresh_from_db()
    except Job.DoesNotExist:
        raise not_found("job") from None


def _free() -> Q:
    """Nobody works on the job: released, or its worker's lease has run out."""
    return Q(lease_until=None) | Q(lease_until__lt=Now())


def _lease_end() -> Combinable:
    wait = timedelta(seconds=settings.LEASE_SECONDS)
    return ExpressionWrapper(Now() + wait, output_field=DateTimeField())


def _announce(job_id: uuid.UUID) -> None:
    transaction.on_commit(lambda: events.announce(job_id))


def _notify(job_id: uuid.UUID) -> None:
    """For ends that the owner did not bring about."""
    transaction.on_commit(lambda: notifications.send_if_away(job_id))
