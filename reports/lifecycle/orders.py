"""What owners ask for: a job, its end before its time, another run."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from accounts import audit, logcontext
from accounts.acts import Act
from accounts.errors import Refusal
from accounts.models import User
from accounts.ownership import hold_owner
from reports.lifecycle.changes import announce, finish, reload
from reports.lifecycle.queue import free, hint_if_runnable
from reports.models import OPEN, Job
from reports.models.jobs import DEFAULT_KIND
from salesagg.core import disk
from uploads import lifecycle as uploads
from uploads.models import Upload
from uploads.storage import StorageFull

Status = Job.Status


def create(upload: Upload, *, kind: str = DEFAULT_KIND, options: Mapping[str, Any] | None = None) -> Job:
    """A new job over `upload`, for its owner.

    Raises `Refusal`: 429 when too many of theirs have not ended, 507 when the disk is nearly full.

    To be called in a transaction that holds the owner's row or the upload's, so that the limit is one.
    """
    check_open_jobs(upload.owner)
    if disk.is_low():
        raise StorageFull
    job = Job.objects.create(
        owner=upload.owner, upload=upload, kind=kind, options=dict(options or {}), request_id=logcontext.request_id()
    )
    _record(Act.JOB_MADE, job)
    announce(job.pk)
    transaction.on_commit(lambda: hint_if_runnable(job.pk))
    return job


def check_open_jobs(owner: User) -> None:
    """Raise `Refusal` (429) when another job of `owner` would be one too many at a time."""
    if Job.objects.filter(owner=owner, status__in=OPEN).count() >= settings.MAX_OPEN_JOBS:
        message = _("%(count)s of your jobs have not ended, and more are not possible. Wait for some, or cancel them.")
        raise Refusal(
            "too_many_jobs",
            message % {"count": settings.MAX_OPEN_JOBS},
            status=429,
            headers={"Retry-After": "30"},
        )


def cancel(job: Job) -> None:
    """Cancel an open job: at once when nobody works on it, else as soon as its worker looks, within a window.

    Raises `Refusal`: 409 when the job has ended already (of cancelling and finishing, one wins), 404 when it is gone.
    """
    disk.make_room()
    opened = Job.objects.filter(pk=job.pk, status__in=OPEN)
    with transaction.atomic():
        changed = finish(job.pk, opened.filter(free()), Status.CANCELLED)
        changed = changed or opened.update(cancel_requested=True, version=F("version") + 1) == 1
        if changed:
            _record(Act.JOB_CANCELLED, job)
    reload(job)
    if not changed:
        raise Refusal("job_finished", _("The job has ended already; there is nothing to cancel."), status=409)
    announce(job.pk)


def retry(job: Job) -> None:
    """Run a failed or cancelled job again, from its last checkpoint.

    Raises `Refusal` (404, 409, 410, 413, 429, 507).
    """
    if disk.is_low():
        raise StorageFull
    with transaction.atomic():
        owner, _upload = _hold_file(job.upload)
        uploads.check_not_over_quota(owner)
        # As it is now: it may have ended since it was loaded, and would be one too many then.
        reload(job)
        if job.is_finished:
            check_open_jobs(owner)
        ended = Job.objects.filter(pk=job.pk, status__in=(Status.FAILED, Status.CANCELLED), undo_requested_at=None)
        changed = ended.update(
            status=Status.PENDING,
            cancel_requested=False,
            attempt=0,
            error_code="",
            error="",
            finished_at=None,
            request_id=logcontext.request_id(),
            version=F("version") + 1,
        )
        if not changed:
            reload(job)
            raise Refusal("job_not_retryable", _("Only failed or cancelled jobs can be retried."), status=409)
        _record(Act.JOB_RETRIED, job)
        announce(job.pk)
        transaction.on_commit(lambda: hint_if_runnable(job.pk))
    reload(job)


def process(upload: Upload, options: Mapping[str, Any], *, kind: str = DEFAULT_KIND) -> Job:
    """A job over a file that is there already, with these options. Raises `Refusal` (410, 413, 429, 507)."""
    with transaction.atomic():
        owner, there = _hold_file(upload)
        uploads.check_not_over_quota(owner)
        return create(there, kind=kind, options=options)


def run_again(job: Job, options: Mapping[str, Any], *, kind: str = "") -> Job:
    """A new job over the same file with these options, perhaps of another kind; the old one stays as it is.

    Raises `Refusal` (410, 413, 429, 507).
    """
    return process(job.upload, options, kind=kind or job.kind)


def _record(act: Act, job: Job) -> None:
    audit.record(act, job, account=job.owner_id, label=job.upload.filename)


def _hold_file(upload: Upload) -> tuple[User, Upload]:
    """The owner's row and the upload's, until the transaction ends. Raises `Refusal` (410) when the file is gone.

    So it is not removed meanwhile with the last of its jobs.
    """
    owner = hold_owner(upload.owner_id)
    there = Upload.objects.select_for_update().filter(pk=upload.pk).first()
    if there is None or there.state in (Upload.State.EXPIRED, Upload.State.CANCELLED):
        raise Refusal("upload_gone", _("The job's file is gone; upload it again."), status=410)
    return owner, there
