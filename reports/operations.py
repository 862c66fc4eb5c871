"""The service in numbers, for operators: what is in the queue, who works on it, how much is done, fails, is stored.

`live` is what changes from moment to moment, and is asked for every two seconds by every operator who looks: it reads
open jobs alone, of which there are few. `totals` looks back over a week and over all that is stored, and is asked for
less often. Neither asks more queries when there are more jobs.

Numbers are given as numbers and words as words in the reader's language, so that page and script show the same.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, DurationField, Exists, ExpressionWrapper, F, Max, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, Greatest, Now
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.numbers import seconds
from reports import lifecycle, turns, workers
from reports.models import OPEN, Job
from uploads.models import Part, Upload

Numbers = dict[str, Any]

# Rows of each table. More jobs than anybody follows; the queue's figures count them all.
MOST_JOBS = 50
MOST_FAILURES = 20
MOST_OWNERS = 5


def live() -> Numbers:
    """The queue, the open jobs and the workers."""
    jobs = _jobs()
    alive = [_worker(worker, jobs) for worker in workers.all_known()]
    some_alive = any(worker["state"] == "alive" for worker in alive)
    alarm = "" if some_alive else _("No worker is alive: nothing is processed.")
    return {"alarm": alarm, "queue": _queue(), "jobs": jobs, "workers": alive}


def totals() -> Numbers:
    """What was done and what failed in the last week, and what is stored."""
    return {"throughput": _throughput(), "failures": _failures(), "storage": _storage(), "owners": _owners()}


def lasting(span: float) -> str:
    """A time span for operators; clocks that differ a little give none below zero."""
    return seconds(max(0.0, span), tenths=False)


def _ago(moment: datetime, now: datetime) -> str:
    return _("%(span)s ago") % {"span": lasting((now - moment).total_seconds())}


def _open_jobs() -> QuerySet[Job]:
    """Open jobs, each with `held`, `ready` (a worker could take it), `next` (no other of its owner's goes first) and
    `waited`. Served by job_open_by_lease.

    Nothing tells since when exactly a job could have been taken; `waited` is at most what it has waited in vain.
    """
    since = Greatest(
        "created_at", Coalesce("claimed_at", "created_at"), Coalesce("upload__completed_at", "upload__created_at")
    )
    return Job.objects.filter(status__in=OPEN).annotate(
        held=Exists(Job.objects.filter(pk=OuterRef("pk"), lease_until__gte=Now())),
        ready=Exists(lifecycle.runnable().filter(pk=OuterRef("pk"))),
        next=Exists(Job.objects.filter(turns.is_next(), pk=OuterRef("pk"))),
        waited=ExpressionWrapper(Now() - since, output_field=DurationField()),
    )


def _queue() -> Numbers:
    counts = _open_jobs().aggregate(
        jobs=Count("pk"),
        ready_jobs=Count("pk", filter=Q(ready=True)),
        held_jobs=Count("pk", filter=Q(held=True)),
        longest=Max("waited", filter=Q(ready=True)),
    )
    longest: timedelta | None = counts["longest"]
    return {
        "ready": counts["ready_jobs"],
        "at_work": counts["held_jobs"],
        "waiting": counts["jobs"] - counts["ready_jobs"] - counts["held_jobs"],
        "oldest_seconds": None if longest is None else longest.total_seconds(),
        "oldest": "–" if longest is None else lasting(longest.total_seconds()),
    }


def _jobs() -> list[Numbers]:
    """The open jobs of most interest, in an order that stays: those that are worked on or were last."""
    interest = ("-held", "-ready", F("claimed_at").desc(nulls_last=True), "-created_at")
    jobs = (
        _open_jobs()
        .select_related("upload", "owner")
        .defer("context", "options", "reasons")
        # By the index of attempts' jobs; a job has few.
        .prefetch_related("attempts")
        .order_by(*interest)
    )
    shown = sorted(jobs[:MOST_JOBS], key=lambda job: (job.started_at or job.created_at, job.pk))
    now = timezone.now()
    return [_job(job, now) for job in shown]


def _job(job: Any, now: datetime) -> Numbers:
    """An open job, as `_open_jobs` gives it."""
    state, text = _state(job)
    attempts = list(job.attempts.all())
    running = next((attempt for attempt in attempts if attempt.ended_at is None), None)
    since = running.started_at if running else job.created_at
    seconds = (now - job.started_at).total_seconds() if job.held and job.started_at else 0
    return {
        "id": str(job.pk),
        "url": reverse("admin:reports_job_change", args=[job.pk]),
        "filename": job.upload.filename,
        "owner": job.owner.email,
        "state": state,
        "state_text": text,
        "received": job.upload.offset,
        "bytes_done": job.bytes_done,
        "length": job.upload.length,
        "rows": job.rows,
        "rate": round(job.rows / seconds) if seconds >= 1 else None,
        "worker": running.worker if running and job.held else "–",
        "attempt": len(attempts),
        "since": lasting((now - since).total_seconds()),
    }


def _state(job: Any) -> tuple[str, str]:
    if job.cancel_requested:
        return "cancelling", _("Cancelling")
    if job.held:
        return "at_work", _("Being worked on")
    if job.ready:
        return "ready", _("Waiting for a worker")
    return "waiting", _("Waiting for bytes") if job.next else _("Waiting for its turn")


def _worker(worker: Any, jobs: Iterable[Numbers]) -> Numbers:
    """Whoever holds a job is alive, too busy as it may be to say so."""
    held = [job["filename"] for job in jobs if job["state"] == "at_work" and job["worker"] == worker.name]
    lost = worker.silent and not held
    now = timezone.now()
    return {
        "id": worker.name,
        "name": worker.name,
        "state": "lost" if lost else "alive",
        "state_text": _("Lost") if lost else _("Alive"),
        "started": _ago(worker.started_at, now),
        "seen": _ago(worker.seen_at, now),
        "jobs": ", ".join(held) or "–",
    }


def _throughput() -> list[Numbers]:
    """Completed jobs by when they finished."""
    periods = {
        "hour": (_("Last hour"), timedelta(hours=1)),
        "day": (_("Last 24 hours"), timedelta(days=1)),
        "week": (_("Last 7 days"), timedelta(days=7)),
    }
    sums: dict[str, Any] = {}
    for name, (_label, span) in periods.items():
        within = Q(finished_at__gte=Now() - span)
        sums[f"{name}_jobs"] = Count("pk", filter=within)
        sums[f"{name}_rows"] = Coalesce(Sum("rows", filter=within), 0)
        sums[f"{name}_bytes"] = Coalesce(Sum("bytes_done", filter=within), 0)
    found = _finished_lately(Job.Status.COMPLETED).aggregate(**sums)
    return [
        {"id": name, "label": label, **{key: found[f"{name}_{key}"] for key in ("jobs", "rows", "bytes")}}
        for name, (label, _span) in periods.items()
    ]


def _failures() -> list[Numbers]:
    """The last week's, by reason, with the list of the same jobs."""
    found = _finished_lately(Job.Status.FAILED).values("error_code")
    found = found.annotate(count=Count("pk"), latest=Max("finished_at")).order_by("-count", "error_code")
    now = timezone.now()
    week = (now - timedelta(days=7)).isoformat(timespec="seconds")
    address = reverse("admin:reports_job_changelist")
    return [
        {
            "id": row["error_code"],
            "code": row["error_code"],
            "count": row["count"],
            "latest": _ago(row["latest"], now),
            "url": f"{address}?"
            + urlencode({"status__exact": "failed", "error_code": row["error_code"], "finished_at__gte": week}),
        }
        for row in found[:MOST_FAILURES]
    ]


def _finished_lately(status: Job.Status) -> QuerySet[Job]:
    """Those that ended so in the last week. Served by job_by_end."""
    return Job.objects.filter(status=status, finished_at__gte=Now() - timedelta(days=7))


def _storage() -> list[Numbers]:
    """What is truly there, by its parts: an upload that has ended should have none.

    Two counts over whole tables, which no index spares; hence not asked for every two seconds.
    """
    labels = {
        Upload.State.RECEIVING: _("Being received"),
        Upload.State.COMPLETE: _("Complete"),
        Upload.State.CANCELLED: _("Cancelled"),
        Upload.State.EXPIRED: _("Expired"),
    }
    uploads = dict(Upload.objects.order_by().values_list("state").annotate(Count("pk")))
    stored = Part.objects.order_by().values_list("upload__state").annotate(Count("pk"), Sum("size"))
    parts = {state: (count, size) for state, count, size in stored}
    rows = []
    for state, label in labels.items():
        count, size = parts.get(state, (0, 0))
        rows.append({"id": state, "label": label, "uploads": uploads.get(state, 0), "parts": count, "bytes": size})
    sums = {key: sum(row[key] for row in rows) for key in ("uploads", "parts", "bytes")}
    return [*rows, {"id": "all", "label": _("Together"), **sums}]


def _owners() -> list[Numbers]:
    """Whose uploads are the largest, by bytes received. Served by upload_by_owner."""
    kept = Upload.objects.filter(state__in=[Upload.State.RECEIVING, Upload.State.COMPLETE]).order_by()
    sums = kept.values("owner", "owner__email").annotate(uploads=Count("pk"), bytes=Sum("offset"))
    address = reverse("admin:uploads_upload_changelist")
    return [
        {
            "id": str(row["owner"]),
            "email": row["owner__email"],
            "uploads": row["uploads"],
            "bytes": row["bytes"],
            "url": f"{address}?owner__id__exact={row['owner']}",
        }
        for row in sums.order_by("-bytes", "owner")[:MOST_OWNERS]
    ]
