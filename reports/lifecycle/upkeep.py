"""What changes a job although nobody asked: its upload goes on or is lost, its workers die."""

import uuid
from typing import Any

from django.conf import settings
from django.db.models import F, Q

from reports import events
from reports.lifecycle.changes import announce, finish, notify
from reports.lifecycle.queue import free, hint_if_runnable
from reports.models import OPEN, Attempt, Job
from reports.pipelines import pipeline_for
from uploads.models import Upload

Status = Job.Status


def upload_progressed(upload: Upload) -> None:
    """Bytes have come: a visible change of the upload's open jobs, and perhaps work."""
    for job in Job.objects.filter(upload=upload, status__in=OPEN).only("kind", "bytes_done"):
        Job.objects.filter(pk=job.pk).update(version=F("version") + 1)
        events.announce_progress(job.pk)
        # With most chunks there is no window to fold yet, and to ask whether it is the job's turn is a large query.
        window_end = job.bytes_done + pipeline_for(job.kind).window_bytes
        if upload.state == Upload.State.COMPLETE or upload.offset >= window_end:
            hint_if_runnable(job.pk)


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
        if finish(job_id, Job.objects.filter(status__in=OPEN), status, **ending):
            announce(job_id)
            if status == Status.FAILED:
                notify(job_id)


def end_lost() -> int:
    """End the open jobs of uploads that have expired or been cancelled; returns of how many uploads.

    Failure story: somebody cancels an upload, and the process is killed when that is in the database and its jobs are
    not ended yet. Nobody would ever do it: whoever cancels again is told that the upload is gone, workers only see that
    there is nothing to fold, and for its owner the job goes on for ever.
    """
    lost = Upload.objects.filter(state__in=(Upload.State.EXPIRED, Upload.State.CANCELLED), jobs__status__in=OPEN)
    uploads = list(lost.distinct())
    for upload in uploads:
        end_for_lost_upload(upload)
    return len(uploads)


def end_abandoned() -> int:
    """End the jobs whose worker died and that should not be taken over; returns how many.

    Those are the ones that were to be cancelled, and the ones that have cost `MAX_ATTEMPTS` workers their lives without
    completing a window: to go on would block everybody else's jobs.
    """
    dead = Job.objects.filter(free(), status__in=OPEN)
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


def _end_dead(job_id: uuid.UUID, condition: Q, status: Job.Status, **ending: Any) -> int:
    dead = Job.objects.filter(condition, status__in=OPEN).filter(free())
    ended = finish(job_id, dead, status, outcome=Attempt.Outcome.LOST, **ending)
    if ended:
        announce(job_id)
        if status == Status.FAILED:
            notify(job_id)
    return ended
