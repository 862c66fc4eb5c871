"""Working on a claimed job: read a window, fold it, commit it, again, until there is nothing to fold."""

import logging
import threading
from types import TracebackType

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import close_old_connections, connection

from reports import checkpoints, events, lifecycle, stopping
from reports.engine import EngineError
from reports.lifecycle import Claim, ClaimLost
from reports.models import Job
from reports.pipelines import pipeline_for
from uploads.models import Upload
from uploads.reader import PartLost, read

logger = logging.getLogger(__name__)

# A record that does not end within this many windows is none: a quote that is never closed, or not a CSV file.
MAX_RECORD_WINDOWS = 2


def run_all() -> int:
    """Claim and run jobs until none is runnable or the worker is being stopped; returns how many claims there were."""
    worked = 0
    while not stopping.requested() and (claim := lifecycle.claim()):
        run(claim)
        worked += 1
    return worked


def run(claim: Claim) -> None:
    """Work on the job as far as it can go now. What came of it is in the job's row; nothing is raised for its sake."""
    try:
        with _Lease(claim) as lease:
            _run(claim, lease)
    except ClaimLost:
        # Cancelled while it was about to finish, or taken over. The first is ended here; the second is not ours to end.
        lifecycle.cancelled(claim)
        logger.info("job %s: claim lost", claim.job_id)
    except EngineError as error:
        lifecycle.fail(claim, code=error.code, message=error.message)
    except PartLost as error:
        logger.error("job %s: %s", claim.job_id, error)
        lifecycle.fail(claim, code="upload_damaged", message=f"{error} Upload the file again.")
    except Exception:
        # A defect, or a service that is down. The lease runs out and the job is tried again, MAX_ATTEMPTS times.
        logger.exception("job %s: attempt failed", claim.job_id)


def _run(claim: Claim, lease: "_Lease") -> None:
    job = claim.rows().select_related("upload").get()
    pipeline = pipeline_for(job.kind)
    size = settings.WINDOW_BYTES
    while True:
        if not lease.go_on():
            lifecycle.cancelled(claim)
            return
        if stopping.requested():
            lifecycle.release(claim)
            return
        job.upload.refresh_from_db(fields=["state", "offset", "length"])
        whole = job.upload.state == Upload.State.COMPLETE
        available = job.upload.offset - job.bytes_done
        if whole and not available and job.layout is not None:
            break
        if not whole and available < size:
            lifecycle.release(claim, wanted_bytes=size)
            return
        consumed = _fold_window(claim, job, min(size, available), final=whole and available <= size)
        # Where not even one record ended, look at more at once.
        size = settings.WINDOW_BYTES if consumed else size * 2
        if size > settings.WINDOW_BYTES * MAX_RECORD_WINDOWS:
            raise EngineError(
                "record_too_long",
                f"The row that begins at byte {job.bytes_done} does not end. A quotation mark is probably not closed.",
            )
    result = pipeline.finish(checkpoints.states(job.pk), job_id=job.pk, token=claim.token)
    try:
        lifecycle.complete(claim, record=result.record, **result.fields)
    except ClaimLost:
        for name in result.files:
            default_storage.delete(name)
        raise


def _fold_window(claim: Claim, job: Job, size: int, *, final: bool) -> int:
    """Fold and commit one window of at most `size` bytes, and return how many were consumed."""
    start = job.bytes_done
    data = read(job.upload, start, size)
    window = pipeline_for(job.kind).fold(data, layout=job.layout, options=job.options, final=final)
    if window.consumed or final:
        end = start + window.consumed
        lifecycle.commit_window(
            claim,
            start=start,
            end=end,
            state=window.state,
            rows=window.rows,
            bad_rows=window.bad_rows,
            layout=window.layout,
        )
        job.bytes_done, job.layout = end, window.layout
        events.announce_progress(job.pk)
    return window.consumed or int(final)


class _Lease:
    """Renews a claim's lease from a thread of its own while a window is being folded, however long that takes."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._stopped = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._renew_until_stopped, name="lease", daemon=True)

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
        while not self._stopped.wait(settings.LEASE_SECONDS / 3):
            try:
                lifecycle.renew(self._claim)
            except ClaimLost:
                self._lost = True
                return
            except Exception:
                # The database is away for a moment; the next beat tries again, and every commit is guarded anyway.
                logger.exception("job %s: lease not renewed", self._claim.job_id)
                close_old_connections()
        connection.close()
