"""Writing messages down. They are sent by `reports.webhooks.deliverer`, in whichever worker sees them first."""

import json
import threading
import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone, translation

from reports.api import schemas
from reports.models import Delivery, Job, Webhook

TEST = "test"
# Set when something was written in this process. Other processes look every second.
wake = threading.Event()


def write_end(job_id: uuid.UUID) -> None:
    """Tell the enabled webhooks of the job's owner how it has ended: to be called in the transaction that ends it."""
    webhooks = Webhook.objects.filter(owner__jobs=job_id, owner__is_active=True, disabled_at=None)
    # Held, so that none is deleted between this and the end of the transaction, which would fail then.
    told = list(webhooks.select_for_update(of=("self",), no_key=True))
    if not told:
        return
    job = Job.objects.select_related("upload", "owner").get(pk=job_id)
    event = f"job.{job.status}"
    with translation.override(job.owner.language or settings.LANGUAGE_CODE):
        described = schemas.describe(job)
    data = described.as_json() | {"url": settings.SITE_URL + reverse("report", args=[job_id])}
    body = _body(event, job.finished_at or timezone.now(), data)
    for webhook in told:
        _write(webhook, event, body, job_id=job_id)


def write_test(webhook: Webhook) -> Delivery:
    return _write(webhook, TEST, _body(TEST, timezone.now(), {"webhookId": str(webhook.pk)}))


def wake_on_commit() -> None:
    transaction.on_commit(wake.set)


def _write(webhook: Webhook, event: str, body: str, *, job_id: uuid.UUID | None = None) -> Delivery:
    made = Delivery.objects.create(webhook=webhook, event=event, body=body, job_id=job_id, next_attempt_at=Now())
    wake_on_commit()
    return made


def _body(event: str, time: datetime, data: dict[str, Any]) -> str:
    # The time as the API's answers have theirs.
    return json.dumps({"type": event, "timestamp": time.isoformat().replace("+00:00", "Z"), "data": data})
