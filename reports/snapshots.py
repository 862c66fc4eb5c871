"""A job as pages and sockets show it: one description, in words and numbers that need no further lookup."""

from typing import Any

from django.urls import reverse

from reports.models import Job
from uploads.models import Upload

Snapshot = dict[str, Any]


def describe(job: Job) -> Snapshot:
    """Everything about `job` that its owner sees, as JSON. `job.upload` should be loaded with it."""
    upload = job.upload
    state, label = _state(job)
    return {
        "id": str(job.pk),
        "version": job.version,
        "state": state,
        "label": label,
        "status": job.status,
        "filename": upload.filename,
        "upload": {
            "id": str(upload.pk),
            "state": upload.state,
            "offset": upload.offset,
            "length": upload.length,
        },
        "bytes_done": job.bytes_done,
        "rows": job.rows,
        "bad_rows": job.bad_rows,
        "departments": job.departments,
        "error_code": job.error_code,
        "error": job.error,
        "can_cancel": not job.is_finished and not job.cancel_requested,
        "can_retry": _can_retry(job),
        "created_at": job.created_at.isoformat(),
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "url": reverse("report", args=[job.pk]),
    }


def _state(job: Job) -> tuple[str, str]:
    """The state as a stable word, and as a label."""
    if job.status == Job.Status.COMPLETED:
        if not job.bad_rows:
            return "done", "Done"
        return "done_with_rejects", f"Done with {job.bad_rows:,} rejected row{'s' if job.bad_rows > 1 else ''}"
    if job.status == Job.Status.FAILED:
        return "failed", "Failed"
    if job.status == Job.Status.CANCELLED:
        return "cancelled", "Cancelled"
    if job.cancel_requested:
        return "cancelling", "Cancelling"
    if job.upload.state == Upload.State.RECEIVING:
        return "uploading", "Uploading"
    return ("processing", "Processing") if job.status == Job.Status.PROCESSING else ("queued", "Queued")


def _can_retry(job: Job) -> bool:
    ended = job.status in (Job.Status.FAILED, Job.Status.CANCELLED)
    return ended and job.upload.state in (Upload.State.RECEIVING, Upload.State.COMPLETE)
