"""Whose turn it is among an owner's jobs of a kind that is worked on one at a time: the oldest's.

Failure story: a person begins to upload a file of customers, closes the laptop, and has three days to go on. An import
that waits for bytes which have not come for a while holds nobody up; it goes on when they come and nobody is at work.
"""

from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from reports.models import OPEN, Job
from reports.pipelines import pipelines
from uploads.models import Upload


def kinds() -> list[str]:
    """The kinds whose jobs take turns."""
    return [kind for kind, pipeline in pipelines().items() if pipeline.one_at_a_time]


def is_next() -> Q:
    """A condition on jobs: none of its owner's goes first."""
    others = Job.objects.filter(owner=OuterRef("owner"), kind=OuterRef("kind"), status__in=OPEN)
    others = others.exclude(pk=OuterRef("pk"))
    at_work = Q(lease_until__gte=Now())
    older = Q(created_at__lt=OuterRef("created_at")) | Q(created_at=OuterRef("created_at"), pk__lt=OuterRef("pk"))
    there = Q(upload__state=Upload.State.COMPLETE)
    coming = Q(upload__state=Upload.State.RECEIVING, upload__expires_at__gt=_given_up())
    return ~Q(kind__in=kinds()) | Q(~Exists(others.filter(at_work | (older & (there | coming)))))


def is_waiting(job: Job) -> bool:
    """Whether another of its owner's is worked on before `job`, which is not being worked on."""
    at_work_or_next = Q(lease_until__gte=Now()) | is_next()
    return job.status in OPEN and not Job.objects.filter(at_work_or_next, pk=job.pk).exists()


def _given_up() -> Combinable:
    """An upload that expires before this has not received anything for `TURN_PATIENCE_SECONDS`."""
    left = timedelta(hours=settings.UPLOAD_EXPIRES_HOURS) - timedelta(seconds=settings.TURN_PATIENCE_SECONDS)
    return Now() + Value(left)
