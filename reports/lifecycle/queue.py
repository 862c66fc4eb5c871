"""Which jobs there is something to do for, and in which order."""

import uuid

from django.conf import settings
from django.db.models import BigIntegerField, Case, F, Max, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Greatest, Now

from reports import hints, turns
from reports.models import OPEN, Job
from reports.pipelines import pipelines
from uploads.models import Upload


def runnable() -> QuerySet[Job]:
    """Open jobs that nobody holds, whose turn it is, and that have something to fold: a whole window, or the file's
    end."""
    whole = Q(upload__state=Upload.State.COMPLETE)
    sizes = [When(kind=kind, then=pipeline.window_bytes) for kind, pipeline in pipelines().items()]
    enough = F("bytes_done") + Greatest(F("wanted_bytes"), Case(*sizes, output_field=BigIntegerField()))
    window = Q(upload__state=Upload.State.RECEIVING, upload__offset__gte=enough)
    open_jobs = Job.objects.filter(
        free(), whole | window, status__in=OPEN, cancel_requested=False, attempt__lt=settings.MAX_ATTEMPTS
    )
    return open_jobs.filter(turns.is_next())


def in_order() -> QuerySet[Job]:
    """Runnable jobs in the order in which they are claimed."""
    turn = Job.objects.filter(owner=OuterRef("owner")).values("owner").annotate(at=Max("claimed_at")).values("at")
    # Of an owner's jobs that nobody has begun with come first, then the one that has waited longest for its next turn:
    # a large one must not keep the small ones behind it waiting.
    last, own = F("turn").asc(nulls_first=True), F("claimed_at").asc(nulls_first=True)
    queue = runnable().annotate(turn=Subquery(turn)).order_by(last, own, "created_at", "pk")
    return queue.only("pk", "kind", "owner_id", "token", "position")


def hint_if_runnable(job_id: uuid.UUID) -> None:
    """Tell the workers that there is something to do, if there is."""
    if runnable().filter(pk=job_id).exists():
        hints.send()


def hint_next() -> None:
    """A job has ended that took its turn; another may be next."""
    if runnable().exists():
        hints.send()


def free() -> Q:
    """Nobody works on the job: released, or its worker's lease has run out."""
    return Q(lease_until=None) | Q(lease_until__lt=Now())
