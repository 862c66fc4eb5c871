"""Live events: a job's snapshot, published to its owner's group after every change.

Events are for watching, never for deciding: one may be lost, and consumers find out by the job's version.
"""

import logging
import threading
import time
import uuid
from typing import Any

from channels.layers import get_channel_layer
from django.db import DatabaseError

from accounts import metrics
from accounts.outage import Outage
from reports import loop
from reports.models import Job
from reports.snapshots import describe

logger = logging.getLogger(__name__)

# Progress events a job, from one process: four a second is what an eye can follow.
PROGRESS_INTERVAL = 0.25
# How long a change may wait for a channel layer that hangs. A browser finds the truth by itself within seconds.
PUBLISH_TIMEOUT = 1.0
_outage = Outage(seconds=2.0)

# Jobs often end in another process than the one that announces their progress; forget them now and then.
REMEMBERED_JOBS = 10_000

_last_progress: dict[uuid.UUID, float] = {}
_lock = threading.Lock()


def group_of(owner_id: int) -> str:
    """The channel group of everybody who watches this owner's jobs: the owner's own browsers."""
    return f"jobs.{owner_id}"


def announce(job_id: uuid.UUID) -> None:
    """Publish the job as it is now. Never raises: whatever changed the job has happened already."""
    if _outage.is_on:
        return
    try:
        job = Job.objects.select_related("upload").filter(pk=job_id).first()
    except DatabaseError as error:
        logger.warning("event of job %s not published: %r", job_id, error)
        return
    if job is None:
        return
    if job.is_finished:
        with _lock:
            _last_progress.pop(job_id, None)
    _publish(job.owner_id, {"type": "job.changed", "job": describe(job)})


def announce_removed(owner_id: int, job_id: uuid.UUID) -> None:
    """Publish that a job is no more. Never raises."""
    _publish(owner_id, {"type": "job.removed", "id": str(job_id)})


def announce_progress(job_id: uuid.UUID) -> None:
    """Publish the job unless this process has just done so; the next progress, or the job's end, tells more."""
    now = time.monotonic()
    with _lock:
        if now - _last_progress.get(job_id, -PROGRESS_INTERVAL) < PROGRESS_INTERVAL:
            return
        if len(_last_progress) > REMEMBERED_JOBS:
            _last_progress.clear()
        _last_progress[job_id] = now
    announce(job_id)


def announce_credentials(owner_id: int) -> None:
    """Publish that credentials of this person have changed, for open connections to look. Never raises."""
    _publish(owner_id, {"type": "credentials.changed"})


def _publish(owner_id: int, message: dict[str, Any]) -> None:
    if _outage.is_on:
        return
    try:
        with metrics.PUBLISH_SECONDS.time():
            loop.run(get_channel_layer().group_send(group_of(owner_id), message), timeout=PUBLISH_TIMEOUT)
        metrics.EVENTS_PUBLISHED.labels("sent").inc()
    except Exception as error:
        _outage.begin()
        metrics.EVENTS_PUBLISHED.labels("failed").inc()
        metrics.FAILURES.labels("channel_layer").inc()
        logger.warning("event for user %s not published: %r", owner_id, error)
