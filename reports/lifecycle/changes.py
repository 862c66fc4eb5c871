"""What every change of a job has in common. Times of leases are the database's clock alone; a worker's may be wrong."""

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from accounts import metrics
from accounts.errors import not_found
from reports import attempts, events, notifications, turns
from reports.lifecycle.queue import hint_next
from reports.models import FINISHED, Attempt, Job, Split
from reports.webhooks import outbox

Status = Job.Status


def finish(
    job_id: uuid.UUID, rows: QuerySet[Job], status: Job.Status, *, outcome: Attempt.Outcome | None = None, **fields: Any
) -> int:
    """The one way into a final state, for a job that is still among `rows`; returns whether it was.

    The token goes, so that nothing can be written any more. `outcome` is that of the attempt, if it is another.
    """
    assert status in FINISHED
    with transaction.atomic():
        finished = rows.filter(pk=job_id).update(
            status=status, token=None, lease_until=None, finished_at=Now(), version=F("version") + 1, **fields
        )
        if finished:
            Split.objects.filter(job=job_id).delete()
            transaction.on_commit(metrics.JOBS_ENDED.labels(status.value, fields.get("error_code", "")).inc)
            attempts.end(job_id, outcome or Attempt.Outcome(status.value))
            if status != Status.CANCELLED:
                outbox.write_end(job_id)
            if Job.objects.filter(pk=job_id, kind__in=turns.kinds()).exists():
                transaction.on_commit(hint_next)
    return finished


def reload(job: Job) -> None:
    """The job as it is now. Raises `Refusal` (404) when it has been deleted meanwhile."""
    try:
        job.refresh_from_db()
    except Job.DoesNotExist:
        raise not_found("job") from None


def lease_end() -> Combinable:
    wait = timedelta(seconds=settings.LEASE_SECONDS)
    return ExpressionWrapper(Now() + wait, output_field=DateTimeField())


def announce(job_id: uuid.UUID) -> None:
    transaction.on_commit(lambda: events.announce(job_id))


def notify(job_id: uuid.UUID) -> None:
    """For ends that the owner did not bring about."""
    transaction.on_commit(lambda: notifications.send_if_away(job_id))
