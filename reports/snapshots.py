"""A job as pages and sockets show it: one description, in numbers and stable words.

Its error alone is a text: in the language that is active, which in a worker is English.
"""

from typing import Any

from django.urls import reverse

from reports import words
from reports.models import Job
from reports.pipelines import pipeline_for
from uploads.models import Upload

Snapshot = dict[str, Any]


def describe(job: Job) -> Snapshot:
    """Everything about `job` that its owner sees, as JSON. `job.upload` should be loaded with it."""
    upload = job.upload
    return {
        "id": str(job.pk),
        "version": job.version,
        "state": state_of(job),
        "status": job.status,
        "kind": job.kind,
        "is_import": pipeline_for(job.kind).can_be_undone,
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
        "error": words.error(job.error_code, job.error),
        "can_cancel": not job.is_finished and not job.cancel_requested,
        "can_retry": _can_retry(job),
        "can_remove": job.is_finished,
        "can_undo": _can_undo(job),
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "undone_at": job.undone_at.isoformat() if job.undone_at else None,
        "url": reverse("report", args=[job.pk]),
    }


def state_of(job: Job) -> str:
    """The job's state as its owner sees it: a stable word, put into the reader's language where it is shown."""
    if job.is_undone:
        return "undone"
    if job.status == Job.Status.COMPLETED:
        return "done_with_rejects" if job.bad_rows else "done"
    if job.is_finished:
        return job.status
    if job.cancel_requested:
        return "cancelling"
    if job.upload.state == Upload.State.RECEIVING:
        return "uploading"
    return "processing" if job.status == Job.Status.PROCESSING else "queued"


def _can_retry(job: Job) -> bool:
    ended = job.status in (Job.Status.FAILED, Job.Status.CANCELLED)
    return ended and not job.is_undone and job.upload.state in (Upload.State.RECEIVING, Upload.State.COMPLETE)


def _can_undo(job: Job) -> bool:
    has_written = job.rows > job.bad_rows
    return job.is_finished and has_written and not job.is_undone and pipeline_for(job.kind).can_be_undone
