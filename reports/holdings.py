"""What this app keeps for a person; see `accounts.holdings`."""

from collections.abc import Iterator
from functools import partial
from pathlib import PurePath
from typing import Any

from django.core.files.storage import default_storage
from django.db.models import F, Max, Sum
from django.db.models.functions import Coalesce
from django.utils.text import get_valid_filename
from django.utils.translation import gettext as _

from accounts.export import in_batches, json_list_entry, made_entry
from accounts.holdings import Entry, Loss
from accounts.models import User
from reports import lifecycle, results
from reports.customers import export, listing, undoing
from reports.models import Customer, Job, Webhook
from reports.pipelines import pipeline_for
from reports.webhooks import management as webhooks

_FIELDS = (
    *("id", "kind", "options", "status", "rows", "bad_rows", "departments", "total", "encoding", "reasons"),
    *("error_code", "error", "created_at", "started_at", "finished_at", "undone_at"),
)
# What is made of a file may be larger than the file by so much and not count: small files count what people see.
FREE_BYTES = 64 * 1024


def usage(user: User) -> int:
    """Bytes that results and rejected rows take beyond the files that they were made of.

    So a file counts its own bytes, or those of all that was made of it if they are more. Failure story: the result of a
    file of 74 KB had 129 MB, and the file was processed again and again, which the quota did not see.
    """
    made = Job.objects.filter(owner=user, stored_bytes__gt=0).values("upload")
    made = made.annotate(made=Sum("stored_bytes"), sent=Max(Coalesce("upload__length", "upload__offset")))
    larger = made.filter(made__gt=F("sent") + FREE_BYTES).values_list("made", "sent")
    return sum(stored - sent for stored, sent in larger)


def losses(user: User) -> list[Loss]:
    found = [
        Loss(_("Reports with their downloads and shared links"), user.jobs.count()),
        Loss(_("Customers"), Customer.objects.filter(owner=user).count()),
        Loss(_("Webhooks with their logs"), user.webhooks.count()),
    ]
    return [loss for loss in found if loss.count]


def entries(user: User) -> Iterator[Entry]:
    jobs = user.jobs.select_related("upload").prefetch_related("shares").order_by("created_at")
    yield json_list_entry("jobs.json", lambda: map(_described, in_batches(jobs)))
    for job in in_batches(jobs):
        if _has_result(job):
            yield Entry(_path(job), partial(default_storage.open, job.result_name))
    if Customer.objects.filter(owner=user).exists():
        yield made_entry("customers.csv", partial(export.chunks, user, listing.Query()))
    webhooks_of_user = in_batches(user.webhooks.prefetch_related("deliveries"))
    yield json_list_entry("webhooks.json", lambda: map(_told, webhooks_of_user))


def erase(user: User) -> None:
    for webhook in user.webhooks.all():
        webhooks.remove(webhook)
    # Before the jobs, which would first let go of theirs.
    undoing.remove_all(user)
    while (job := user.jobs.first()) is not None:
        # Before the row too, which `lifecycle.delete` deletes first: dying between would leave files that no row names.
        results.remove_all(job.pk)
        lifecycle.delete(job)


def _described(job: Job) -> dict[str, Any]:
    return {
        **{name: getattr(job, name) for name in _FIELDS},
        "upload": job.upload_id,
        "filename": job.upload.filename,
        "result": _path(job) if _has_result(job) else None,
        "shared": [
            {name: getattr(share, name) for name in ("created_at", "expires_at", "revoked_at", "opened_at")}
            for share in job.shares.all()
        ],
    }


def _told(webhook: Webhook) -> dict[str, Any]:
    """Without the secret: whoever has it could speak in our name."""
    fields = (
        *("id", "event", "job_id", "state", "attempts", "created_at", "attempted_at", "status_code", "error"),
        "body",
    )
    return {
        **{name: getattr(webhook, name) for name in ("id", "url", "created_at", "disabled_at")},
        "deliveries": [{name: getattr(delivery, name) for name in fields} for delivery in webhook.deliveries.all()],
    }


def _has_result(job: Job) -> bool:
    return job.status == Job.Status.COMPLETED and pipeline_for(job.kind).has_result


def _path(job: Job) -> str:
    """Where an export has the result: a name that is safe on every system, and nobody else's."""
    stem = PurePath(job.upload.filename.removesuffix(".gz")).stem
    return f"results/{get_valid_filename(f'{stem[:100]}-{job.pk}.csv')}"
