"""What workers do with a job: they claim it, and whatever they write is guarded by the claim."""

import logging
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce, Now

from accounts import metrics
from accounts.errors import Refusal
from accounts.ownership import hold_owner
from reports import attempts, checkpoints, turns
from reports.lifecycle import queue
from reports.lifecycle.changes import announce, finish, lease_end, notify
from reports.lifecycle.queue import free
from reports.models import OPEN, Attempt, Job, RejectedRows
from reports.pipelines import pipeline_for

logger = logging.getLogger(__name__)
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
    rejected_bytes: int = 0


@dataclass(frozen=True)
class Claim:
    """The right to work on a job: its id and the token under which everything is written."""

    job_id: uuid.UUID
    token: uuid.UUID

    def rows(self) -> QuerySet[Job]:
        """The job's row while the claim holds; else nothing."""
        return Job.objects.filter(pk=self.job_id, token=self.token, status=Status.PROCESSING)


def claim() -> Claim | None:
    """Take the next runnable job: of the owner whose latest claim is the longest ago, the oldest job."""
    runnable = queue.in_order()
    while (job := runnable.first()) is not None:
        takes_turns = pipeline_for(job.kind).one_at_a_time
        with transaction.atomic():
            if takes_turns:
                # Two workers that look at once must not both see that none is at work.
                with suppress(Refusal):  # Of an account that is gone there are no jobs either.
                    hold_owner(job.owner_id)
                left = runnable.filter(pk=job.pk)
            else:
                left = runnable.exclude(kind__in=turns.kinds())
            if connection.features.has_select_for_update_skip_locked:
                # Two workers that look at once get two jobs, instead of one of them waiting for the other's.
                left = left.select_for_update(skip_locked=True, of=("self",))
            claimed = _take(left.first())
        if claimed is not None:
            return claimed
        # Others were faster; there may be something else to do.
        runnable = runnable.exclude(pk=job.pk) if takes_turns else runnable.filter(kind__in=turns.kinds())
    return None


def renew(claim: Claim) -> bool:
    """Prolong the lease; returns whether the job should go on, which it should not when cancelling was asked for.

    Raises `ClaimLost`.
    """
    if not claim.rows().update(lease_until=lease_end()):
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
                stored_bytes=F("stored_bytes") + window.rejected_bytes,
                attempt=1,
                lease_until=lease_end(),
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


def others_wait(claim: Claim) -> bool:
    """Whether another job is runnable that no worker has."""
    return queue.runnable().exclude(pk=claim.job_id).exists()


def step_back(claim: Claim) -> None:
    """Give the job back, to go on after those that wait: a large one must not keep the small ones from their turn."""
    _give_back(claim, wanted_bytes=0, attempt_over=False)


def release(claim: Claim, *, wanted_bytes: int = 0) -> None:
    """Give the job back, to go on later: `wanted_bytes` more have not come yet, or this worker is being stopped."""
    _give_back(claim, wanted_bytes=wanted_bytes, attempt_over=not wanted_bytes)


def _give_back(claim: Claim, *, wanted_bytes: int, attempt_over: bool) -> None:
    with transaction.atomic():
        released = claim.rows().update(
            token=None,
            lease_until=None,
            wanted_bytes=wanted_bytes,
            attempt=F("attempt") - 1,
            version=F("version") + 1,
        )
        if released and attempt_over:
            attempts.end(claim.job_id, Attempt.Outcome.RELEASED)
        # Cancelling may have been asked for while the lease was held, up to this moment.
        idle = Job.objects.filter(lease_until=None, cancel_requested=True, status__in=OPEN)
        if finish(claim.job_id, idle, Status.CANCELLED) or released:
            announce(claim.job_id)


def note_error(claim: Claim, error: Exception, *, counts: bool = True) -> None:
    """Something unexpected ended the attempt, which `counts` among those that a job has. The job itself goes on when
    the lease has run out."""
    if claim.rows().update(attempt=F("attempt") - (0 if counts else 1)):
        attempts.end(claim.job_id, Attempt.Outcome.CRASHED, error=f"{type(error).__name__}: {error}")


def write(claim: Claim, record: Callable[[], object]) -> None:
    """Let `record` write a part of the result, under the claim. Raises `ClaimLost`, having written nothing.

    A large result is written in many parts, since a transaction holds up every other writer where the database is
    SQLite. Failure story: worker A dies, or sleeps, with half of them written. B claims the job, and the first thing it
    records is that none are there. A's next part finds that the claim is gone.
    """
    with transaction.atomic():
        if not claim.rows().filter(cancel_requested=False).update(lease_until=lease_end()):
            raise ClaimLost
        record()


def complete(claim: Claim, *, stored_bytes: int = 0, **fields: Any) -> None:
    """End the job with its result: `fields` of the job, and the size of its files, all else having been written.

    Raises `ClaimLost`, having written nothing, also when cancelling was asked for first.
    """
    with transaction.atomic():
        fields["stored_bytes"] = F("stored_bytes") + stored_bytes
        if not finish(claim.job_id, claim.rows().filter(cancel_requested=False), Status.COMPLETED, **fields):
            raise ClaimLost
        checkpoints.remove(claim.job_id)
        announce(claim.job_id)
        notify(claim.job_id)
    logger.info("job %s completed", claim.job_id)


def fail(claim: Claim, *, code: str, message: str) -> None:
    """End the job with an error that is the file's or the system's, told to the owner as `message`."""
    if finish(claim.job_id, claim.rows(), Status.FAILED, error_code=code, error=message):
        announce(claim.job_id)
        notify(claim.job_id)
        logger.warning("job %s failed: %s", claim.job_id, code)


def cancelled(claim: Claim) -> None:
    """The worker has stopped, as was asked."""
    if finish(claim.job_id, claim.rows(), Status.CANCELLED):
        announce(claim.job_id)


def _plan(claim: Claim, window: Window) -> checkpoints.Plan:
    return checkpoints.plan(claim.job_id, start=window.start, end=window.end, state=window.state)


def _take(job: Job | None) -> Claim | None:
    """Claim this job, if nobody has meanwhile."""
    if job is None:
        return None
    token = uuid.uuid4()
    taken = Job.objects.filter(free(), pk=job.pk, status__in=OPEN, cancel_requested=False).update(
        status=Status.PROCESSING,
        token=token,
        lease_until=lease_end(),
        claimed_at=Now(),
        started_at=Coalesce("started_at", Now()),
        attempt=F("attempt") + 1,
        version=F("version") + 1,
    )
    if not taken:
        return None
    attempts.begin(job)
    metrics.CLAIMS.inc()
    announce(job.pk)
    return Claim(job_id=job.pk, token=token)
