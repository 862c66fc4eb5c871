"""The helpers' side: take a split, fold it, leave what came of it with it."""

import logging
import uuid
from dataclasses import dataclass
from typing import Literal

from accounts import logcontext, metrics, spans
from reports.engine import EngineError
from reports.lifecycle import lease_end
from reports.models import OPEN, Job, Split
from reports.pipelines import FoldedWindow, pipeline_for
from reports.splits.encoding import encode
from uploads.reader import PartLost, read
from uploads.storage import StorageAway

logger = logging.getLogger(__name__)
# More is not worth its way through the database: a stretch almost all of whose rows are rejected.
MAX_BYTES = 64 * 1024 * 1024
Outcome = Literal["folded", "given_up", "late"]


@dataclass(frozen=True)
class Taken:
    """The stretch ``[start, end)`` of a job's file, this worker's to fold."""

    job_id: uuid.UUID
    split_id: int
    token: uuid.UUID
    start: int
    end: int


def help_one(*, job_id: uuid.UUID | None = None) -> bool:
    """Fold one split, of this job or of any; returns whether there was one."""
    taken = take(job_id=job_id)
    if taken is None:
        return False
    with logcontext.about(job=taken.job_id):
        metrics.SPLITS.labels(hand_in(taken, _fold(taken))).inc()
        logger.debug("job %s: folded ahead from %d", taken.job_id, taken.start)
    return True


def take(*, job_id: uuid.UUID | None = None) -> Taken | None:
    """The oldest split that nobody has taken."""
    left = Split.objects.filter(token=None, given_up=False).order_by("pk")
    left = left.filter(job=job_id) if job_id else left
    for pk, job, start, end in left.values_list("pk", "job", "start", "end"):
        token = uuid.uuid4()
        if left.filter(pk=pk).update(token=token, lease_until=lease_end()):
            return Taken(job, pk, token, start, end)
    return None


def forget_ended() -> None:
    """Remove the splits of jobs that have ended: before their holder arrived there, or laid out by one that has slept
    and does not know yet."""
    Split.objects.exclude(job__status__in=OPEN).delete()


def hand_in(taken: Taken, window: FoldedWindow | None) -> Outcome:
    """Leave what came of a split for the job's holder, or that nothing did, if it still waits for it."""
    held = Split.objects.filter(pk=taken.split_id, token=taken.token, folded=None)
    folded = encode(window) if window is not None and window.consumed else b""
    if not folded or len(folded) > MAX_BYTES:
        return "given_up" if held.update(given_up=True) else "late"
    assert window is not None
    return "folded" if held.update(folded=folded, end=taken.start + window.consumed) else "late"


def _fold(taken: Taken) -> FoldedWindow | None:
    """What comes of the stretch; None where nothing does. Whatever stands against it, the job's holder finds too, and
    tells the job's owner."""
    try:
        job = Job.objects.select_related("upload").get(pk=taken.job_id)
        with spans.window_step("read", job=job.pk):
            data = read(job.upload, taken.start, taken.end - taken.start)
        with spans.window_step("fold", job=job.pk):
            return pipeline_for(job.kind).fold_apart(data, job)
    except (Job.DoesNotExist, EngineError, PartLost, StorageAway) as error:
        logger.info("job %s: split at %d given up: %s", taken.job_id, taken.start, error)
    except Exception:
        logger.exception("job %s: split at %d given up", taken.job_id, taken.start)
    return None
