"""What follows from what uploads announces."""

from typing import Any

from django.dispatch import receiver

from reports import lifecycle, options
from uploads import metadata
from uploads.models import Upload
from uploads.signals import part_stored, upload_completed, upload_created, upload_removed


@receiver(upload_created)
def create_job(upload: Upload, **kwargs: Any) -> None:
    if upload.keep:
        return
    # A refusal of the options refuses the upload: this is sent inside the transaction that creates it.
    lifecycle.create(upload, options=options.parse(metadata.parse(upload.metadata)))


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
