"""The record of who has worked on a job, and how far: for the operators, never for deciding.

Written by `reports.lifecycle` alone, in the transaction of the change that it records.
"""

import uuid

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts import metrics
from reports import workers
from reports.models import Attempt, Job


def begin(job: Job) -> None:
    """This worker has claimed `job`, given as it was before."""
    running = Attempt.objects.filter(job=job, ended_at=None)
    if job.token is not None:
        # Its lease had run out.
        _count(Attempt.Outcome.LOST, running.update(ended_at=Now(), outcome=Attempt.Outcome.LOST))
    elif running.update(worker=workers.name()):
        # It had been waiting for bytes.
        return
    Attempt.objects.create(job=job, worker=workers.name(), started_at=Now(), start=job.position, end=job.position)


def advance(job_id: uuid.UUID, *, position: int) -> None:
    """A window has been committed, up to `position` in the file's contents."""
    Attempt.objects.filter(job=job_id, ended_at=None).update(
        end=position, windows=F("windows") + 1, checkpoint_at=Now()
    )


def end(job_id: uuid.UUID, outcome: Attempt.Outcome, *, error: str = "") -> None:
    running = Attempt.objects.filter(job=job_id, ended_at=None)
    _count(outcome, running.update(ended_at=Now(), outcome=outcome, error=error))


def _count(outcome: Attempt.Outcome, ended: int) -> None:
    transaction.on_commit(lambda: metrics.ATTEMPTS.labels(outcome.value).inc(ended))
