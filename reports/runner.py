"""Working on a claimed job: read a window, fold it, commit it, again, until there is nothing to fold."""

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import DatabaseError, close_old_connections, connection

from accounts import logcontext, metrics, spans
from accounts.errors import Refusal
from reports import checkpoints, events, lifecycle, results, splits, stopping
from reports.engine import EngineError
from reports.lifecycle import Claim, ClaimLost
from reports.pipelines import FoldedWindow, pipeline_for
from reports.windows import Folded, Interrupted, Windows
from salesagg.core import disk
from uploads import lifecycle as uploads
from uploads.reader import PartChanged, PartLost
from uploads.storage import StorageAway, is_full

logger = logging.getLogger(__name__)
# What is packed must be unpacked from its beginning by whoever takes the job up. A turn lasts so many times as long as
# that did, or turns would be all there is.
SEEK_SHARE = 4.0
# No turn lasts longer than this many usual ones, whatever it took to unpack.
MOST_TURNS = 12
# While a worker reads a window that takes long to unpack, it asks the database this often whether to continue.
CHECK_SECONDS = 0.5


def run_all() -> int:
    """Run jobs, and where there is none to claim, help with those of others, until there is nothing to do or the worker
    is being stopped; returns how many claims and helps there were."""
    worked = 0
    while not stopping.requested():
        if claim := lifecycle.claim():
            with logcontext.about(job=claim.job_id):
                run(claim)
        elif not splits.help_one():
            break
        worked += 1
    return worked


def run(claim: Claim) -> None:
    """Work on the job as far as it can go now. What came of it is in the job's row; nothing is raised for its sake."""
    try:
        with _Lease(claim) as lease:
            _run(claim, lease)
    except ClaimLost:
        # Cancelled while it was about to finish, or taken over. The first is ended here; the second is not ours to end.
        metrics.CLAIMS_LOST.inc()
        lifecycle.cancelled(claim)
        logger.info("job %s: claim lost", claim.job_id)
    except EngineError as error:
        lifecycle.fail(claim, code=error.code, message=error.message)
    except PartChanged as error:
        logger.warning("job %s: %s", claim.job_id, error)
        lifecycle.fail(claim, code="upload_changed", message=f"{error} Import it again.")
    except PartLost as error:
        logger.error("job %s: %s", claim.job_id, error)
        lifecycle.fail(claim, code="upload_damaged", message=f"{error} Upload the file again.")
    except StorageAway as error:
        # It may be away for hours: that is no reason to give the job up, which goes on when the lease has run out.
        logger.warning("job %s: the storage is away", claim.job_id)
        with suppress(DatabaseError):
            lifecycle.note_error(claim, error, counts=False)
    except Exception as error:
        # A defect, or a service that is down. The lease runs out and the job is tried again, MAX_ATTEMPTS times; where
        # a disk is full, until there is room.
        metrics.note_failure(error)
        logger.exception("job %s: attempt failed", claim.job_id)
        with suppress(DatabaseError):
            lifecycle.note_error(claim, error, counts=not is_full(error))


def _run(claim: Claim, lease: "_Lease") -> None:
    job = claim.rows().select_related("upload").first()
    if job is None:
        raise ClaimLost
    logcontext.note(request=job.request_id, upload=job.upload_id)
    try:
        uploads.check_not_over_quota(job.owner)
    except Refusal as refusal:
        lifecycle.fail(claim, code=refusal.code, message=refusal.message)
        return
    turn = _Turn(claim, lease)
    with Windows(job, turn.check) as windows:
        turn.windows = windows
        try:
            _fold_all(claim, turn, windows)
        except _Left as left:
            left.leave(claim, windows)
            return
        if not windows.at_end:
            windows.keep()
            lifecycle.release(claim, wanted_bytes=windows.wanted_bytes)
            return
    _finish(claim)


def _fold_all(claim: Claim, turn: "_Turn", windows: Windows) -> None:
    """Fold and commit window after window, until there is none now. Raises `_Left`."""
    while True:
        turn.check_claim()
        disk.check()
        folded = windows.next()
        if folded is None:
            return
        if folded.window.settle is not None:
            windows.fold_ahead()
        windows.committed(_commit(claim, folded))
        turn.check_time()


class _Left(Interrupted):
    """The worker leaves the job before its file has been folded to its end."""

    def leave(self, claim: Claim, windows: Windows) -> None:
        """Give the job back, or end it."""
        raise NotImplementedError


class _Cancelled(_Left):
    def leave(self, claim: Claim, windows: Windows) -> None:
        lifecycle.cancelled(claim)


class _Stopping(_Left):
    def leave(self, claim: Claim, windows: Windows) -> None:
        lifecycle.release(claim)


class _TurnOver(_Left):
    def leave(self, claim: Claim, windows: Windows) -> None:
        windows.keep()
        lifecycle.step_back(claim)


class _Turn:
    """Says when a worker has to leave a job: between two windows, and while it reads one that takes long."""

    windows: Windows | None = None

    def __init__(self, claim: Claim, lease: "_Lease") -> None:
        self._claim = claim
        self._lease = lease
        self._began = self._checked = time.monotonic()

    def check(self) -> None:
        """Raise `_Left` when the job has to be left, and `ClaimLost`; mostly without asking the database."""
        now = time.monotonic()
        if now - self._checked < CHECK_SECONDS:
            return
        self.check_claim()
        self.check_time()
        self._checked = now

    def check_claim(self) -> None:
        """The same, but for the time that it has had."""
        if not self._lease.go_on():
            raise _Cancelled
        if stopping.requested():
            raise _Stopping

    def check_time(self) -> None:
        """Raise `_Left` when the job has had its turn and another waits."""
        if time.monotonic() > self._began + self._seconds() and lifecycle.others_wait(self._claim):
            raise _TurnOver

    def _seconds(self) -> float:
        seek_seconds = self.windows.seek_seconds if self.windows else 0.0
        usual = float(settings.TURN_SECONDS)
        return min(usual + SEEK_SHARE * seek_seconds, MOST_TURNS * usual)


def _commit(claim: Claim, folded: Folded) -> FoldedWindow:
    """Commit a folded window, and return it as it turned out."""
    settled = folded.window
    stored: list[str] = []
    rejected_bytes = 0

    def window() -> lifecycle.Window:
        nonlocal settled, rejected_bytes
        if settled.settle is not None:
            settled = settled.settle()
        assert settled.context is not None
        if settled.header or settled.rejected:
            lines = b"".join([settled.header, *settled.rejected])
            name = results.store_rejected(lines, job_id=claim.job_id, token=claim.token, start=folded.start)
            stored.append(name)
            rejected_bytes = len(lines)
        return lifecycle.Window(
            start=folded.start,
            end=folded.end,
            bytes_done=folded.bytes_done,
            state=settled.state,
            rows=settled.rows,
            bad_rows=settled.bad_rows,
            context=settled.context,
            rejected_name="".join(stored),
            rejected_rows=len(settled.rejected),
            rejected_bytes=rejected_bytes,
        )

    with _files(stored), spans.window_step("commit"):
        lifecycle.commit_window(claim, window() if settled.settle is None else window)
    metrics.note_window(folded.end - folded.start, rows=settled.rows, bad_rows=settled.bad_rows)
    events.announce_progress(claim.job_id)
    return settled


def _finish(claim: Claim) -> None:
    """Make the result of a job whose file is folded to its end."""
    disk.check()
    job = claim.rows().first()
    if job is None:
        raise ClaimLost
    assert job.context is not None
    pipeline = pipeline_for(job.kind)
    result = pipeline.finish(checkpoints.states(job.pk), context=job.context, job_id=job.pk, token=claim.token)
    with _files(result.files):
        for record in result.records:
            lifecycle.write(claim, record)
        stored_bytes = sum(default_storage.size(name) for name in result.files)
        lifecycle.complete(claim, stored_bytes=stored_bytes, **result.fields)
    results.remove_strays(job.pk, keep=result.files)


@contextmanager
def _files(names: Iterable[str]) -> Iterator[None]:
    """Delete the files stored for what was not committed because the claim was lost.

    After any other error it is not certain that nothing was committed; the files stay, and what turns out to be no part
    of the result is removed when the job is completed.
    """
    try:
        yield
    except ClaimLost:
        for name in names:
            default_storage.delete(name)
        raise


class _Lease:
    """Renews a claim's lease from a thread of its own while a window is being folded, however long that takes."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._stopped = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=logcontext.carried(self._renew_until_stopped), name="lease", daemon=True)

    def __enter__(self) -> "_Lease":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def go_on(self) -> bool:
        """Ask the database, at a window's boundary, whether to go on. Raises `ClaimLost`."""
        if self._lost:
            raise ClaimLost
        return lifecycle.renew(self._claim)

    def _renew_until_stopped(self) -> None:
        try:
            while not self._stopped.wait(settings.LEASE_SECONDS / 3):
                self._renew()
        except ClaimLost:
            self._lost = True
        finally:
            connection.close()

    def _renew(self) -> None:
        try:
            lifecycle.renew(self._claim)
        except ClaimLost:
            raise
        except Exception:
            # The database is away for a moment; the next beat tries again, and every commit is guarded anyway.
            logger.exception("job %s: lease not renewed", self._claim.job_id)
            close_old_connections()
