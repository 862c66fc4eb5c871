"""Uploads that were begun, became whole or were given up, counted for operators' monitoring."""

from typing import Any

from django.db import transaction
from django.dispatch import receiver

from accounts import metrics
from uploads.models import Upload
from uploads.signals import upload_completed, upload_created, upload_removed


@receiver(upload_created)
def created(upload: Upload, **kwargs: Any) -> None:
    # This one is sent inside the transaction.
    transaction.on_commit(metrics.UPLOADS.labels("created").inc)


@receiver(upload_completed)
def completed(upload: Upload, **kwargs: Any) -> None:
    metrics.UPLOADS.labels("completed").inc()


@receiver(upload_removed)
def removed(upload: Upload, **kwargs: Any) -> None:
    metrics.UPLOADS.labels("expired" if upload.state == Upload.State.EXPIRED else "cancelled").inc()
