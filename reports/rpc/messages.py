"""What is known of a job, as the messages of sales.proto say it."""

import uuid
from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _
from google.protobuf.timestamp_pb2 import Timestamp

from accounts.models import User
from accounts.ownership import load_owned
from reports import signed
from reports.api.schemas import progress_of
from reports.models import Job
from reports.rpc import callers
from reports.rpc.errors import Invalid
from reports.rpc.stubs.sales_pb2 import JobError, JobStatus, UploadResponse
from reports.snapshots import Snapshot, describe


def load_job(job_id: str, owner: User, *, field: str = "job_id") -> Job:
    """The job of `owner` with the id that the request has in `field`. Raises `Refusal` (400, 404)."""
    try:
        key = uuid.UUID(job_id)
    except ValueError:
        message = _("This is not the id of a job: it looks like 123e4567-e89b-12d3-a456-426614174000.")
        raise Invalid("invalid_id", message, field) from None
    return load_owned(Job.objects.select_related("upload", "owner"), owner=owner, pk=key)


def job_status(job: Job) -> JobStatus:
    """Everything about `job`. `job.upload` should be loaded with it."""
    told = changed(describe(job))
    told.total = job.total
    told.reasons.update(job.reasons)
    if job.is_finished and (addresses := _addresses(job, until := signed.expiry())):
        told.download_urls.update(addresses)
        told.download_urls_expire_at.CopyFrom(_timestamp(until))
    return told


def changed(seen: Snapshot) -> JobStatus:
    """What changes while a job is open; all of it, but for what is there only when it has ended."""
    # Counters have the same names here and in the REST API.
    counters = progress_of(seen).model_dump(mode="json")
    told = JobStatus(**counters, kind=seen["kind"], file_name=seen["filename"], departments=seen["departments"])
    if seen["error_code"]:
        told.error.CopyFrom(JobError(code=seen["error_code"], detail=seen["error"]))
    for field in ("created_at", "started_at", "finished_at"):
        if seen[field]:
            getattr(told, field).CopyFrom(_timestamp(datetime.fromisoformat(seen[field])))
    return told


def upload_response(job: Job, *, seconds: float) -> UploadResponse:
    """The result of a job that was completed, as the answer to the upload of its file."""
    addresses = _addresses(job, signed.expiry())
    return UploadResponse(
        result_id=str(job.pk),
        download_url=addresses.get("csv", ""),
        rows=job.rows,
        bad_rows=job.bad_rows,
        departments=job.departments or 0,
        elapsed_sec=seconds,
        errors_url=addresses.get("errors", ""),
        total=job.total,
    )


def _addresses(job: Job, until: datetime) -> dict[str, str]:
    """The downloads of `job`, by what they are. Raise `Refusal` (401): they work without the caller's token."""
    callers.confirm()
    return {name: _address(job, file, until) for name, file in signed.files(job).items()}


def _address(job: Job, file: str, until: datetime) -> str:
    return f"{settings.SITE_URL}{signed.path(job, file, until=until, bound_to=callers.current().binding)}"


def _timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
