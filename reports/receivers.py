"""What follows from what accounts and uploads announce."""

from typing import Any

from django.dispatch import receiver
from django.utils.translation import gettext as _

from accounts.changes import changed
from accounts.errors import Refusal
from reports import events, lifecycle, options
from reports.models import OPEN, Job
from uploads import metadata
from uploads.models import Upload
from uploads.signals import part_stored, upload_completed, upload_created, upload_removed, upload_removing


@receiver(changed)
def tell_connections(user_id: int, **kwargs: Any) -> None:
    events.announce_credentials(user_id)


@receiver(upload_created)
def create_job(upload: Upload, **kwargs: Any) -> None:
    if upload.keep:
        return
    # A refusal of the options refuses the upload: this is sent inside the transaction that creates it.
    kind, chosen = options.parse(metadata.parse(upload.metadata))
    lifecycle.create(upload, kind=kind, options=chosen)


@receiver(part_stored)
def tell_jobs_of_part(upload: Upload, **kwargs: Any) -> None:
    # The last part's completion follows at once and tells the same.
    if upload.state != Upload.State.COMPLETE:
        lifecycle.upload_progressed(upload)


@receiver(upload_completed)
def tell_jobs_of_end(upload: Upload, **kwargs: Any) -> None:
    lifecycle.upload_progressed(upload)


@receiver(upload_removed)
def end_jobs(upload: Upload, **kwargs: Any) -> None:
    lifecycle.end_for_lost_upload(upload)


@receiver(upload_removing)
def keep_reports(upload: Upload, **kwargs: Any) -> bool:
    """Reports outlast the bytes of their file; a job that has not ended needs them. Raises `Refusal` (409)."""
    jobs = Job.objects.filter(upload=upload)
    if jobs.filter(status__in=OPEN).exists():
        raise Refusal("file_in_use", _("A job that has not ended reads this file. Cancel the job first."), status=409)
    return jobs.exists()
