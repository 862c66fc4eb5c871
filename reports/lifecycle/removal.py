"""Taking back what a job has written, and removing the job."""

import logging
import time

from django.db import DatabaseError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts import audit
from accounts.acts import Act
from accounts.errors import Refusal
from reports import events, results
from reports.lifecycle.changes import announce, reload
from reports.lifecycle.queue import hint_next
from reports.models import FINISHED, Job
from reports.pipelines import pipeline_for
from salesagg.core import disk
from uploads import lifecycle as uploads
from uploads.models import Upload

logger = logging.getLogger(__name__)
# Somebody waits for the answer, and the sweep has other things to do too.
UNDO_AT_ONCE_SECONDS = 3.0
UNDO_SWEEP_SECONDS = 10.0


def undo(job: Job) -> None:
    """Remove what a job that has ended has written for its owner; the sweep goes on where that takes long or is cut
    short.

    Raises `Refusal` (404, 409).
    """
    pipeline = pipeline_for(job.kind)
    if not pipeline.can_be_undone:
        raise Refusal("not_undoable", _("Only an import can be undone."), status=409)
    with transaction.atomic():
        changed = Job.objects.filter(pk=job.pk, status__in=FINISHED, undo_requested_at=None).update(
            undo_requested_at=Now(), version=F("version") + 1
        )
        reload(job)
        if not changed and job.is_undone:
            raise Refusal("undone_already", _("The import has been undone already."), status=409)
        if not changed:
            message = _("The import has not ended. Cancel it first, or wait until it is done.")
            raise Refusal("job_open", message, status=409)
        pipeline.check_undo(job)
        audit.record(Act.IMPORT_UNDONE, job, account=job.owner_id, label=job.upload.filename)
        announce(job.pk)
    _finish_undo(job, seconds=UNDO_AT_ONCE_SECONDS)
    reload(job)


def finish_undos() -> int:
    """Go on with what was to be undone and is not yet; returns how many jobs that were."""
    left = list(Job.objects.filter(undo_requested_at__isnull=False, undone_at=None))
    for job in left:
        try:
            _finish_undo(job, seconds=UNDO_SWEEP_SECONDS)
        except DatabaseError:
            # The next sweep tries again; the others need not wait for it.
            logger.exception("job %s: undoing failed", job.pk)
    return len(left)


def delete(job: Job) -> None:
    """Remove the job with its results, and its upload unless that is kept or another job reads it too. What it has
    written for its owner, such as customers, stays.

    A worker that has the job right now finds nothing to write to, and removes what it has stored.
    """
    disk.make_room()
    pipeline = pipeline_for(job.kind)
    if Job.objects.filter(pk=job.pk, undo_requested_at__isnull=False, undone_at=None).exists():
        # Later nobody could tell what was to be removed.
        for _step in pipeline.undo(job):
            pass
    pipeline.let_go(job)
    with transaction.atomic():
        # Two jobs of one upload that are deleted at once must not each leave the upload to the other.
        upload = Upload.objects.select_for_update().filter(pk=job.upload_id).first()
        job_id, owner_id = job.pk, job.owner_id
        if upload is None:
            # Somebody else has just removed both.
            return
        # A worker that is just committing a window does so before what it writes is let go, or not at all.
        Job.objects.select_for_update().filter(pk=job_id).first()
        audit.record(Act.JOB_DELETED, job, account=owner_id, label=upload.filename)
        Job.objects.filter(pk=job_id).delete()
        transaction.on_commit(lambda: events.announce_removed(owner_id, job_id))
        if pipeline.one_at_a_time:
            transaction.on_commit(hint_next)
        last = not upload.keep and not Job.objects.filter(upload=upload).exists()
        if last:
            uploads.abandon(upload)
    results.remove_all(job_id)
    if last:
        uploads.remove(upload)
    logger.info("job %s deleted", job_id)


def _finish_undo(job: Job, *, seconds: float) -> None:
    until = time.monotonic() + seconds
    for _step in pipeline_for(job.kind).undo(job):
        if time.monotonic() > until:
            return
    if Job.objects.filter(pk=job.pk, undone_at=None).update(undone_at=Now(), version=F("version") + 1):
        announce(job.pk)
        logger.info("job %s undone", job.pk)
