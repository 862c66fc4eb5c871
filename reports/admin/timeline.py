"""What happened to a job, in order, and what there is of it now: for its page in the admin."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Sum
from django.db.models.functions import Length
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.numbers import number, size
from accounts.numbers import seconds as in_seconds
from reports import words
from reports.models import Attempt, Job


@dataclass(frozen=True)
class Event:
    """A line of the timeline. `state` gives the colour of its dot; the words say the same. `trace` is for operators."""

    at: datetime
    title: str
    state: str = ""
    text: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    trace: str = ""


def of(job: Job) -> dict[str, Any]:
    return {"events": _events(job), "checkpoints": _checkpoints(job), "reasons": _reasons(job), "files": _files(job)}


def _events(job: Job) -> list[Event]:
    upload = job.upload
    events = [Event(job.created_at, _("Created by %(owner)s") % {"owner": job.owner.email})]
    if upload.completed_at:
        events.append(Event(upload.completed_at, _("Upload complete, %(size)s") % {"size": size(upload.length)}))
    attempts = enumerate(job.attempts.all(), start=1)
    events += [_attempt(count, attempt) for count, attempt in attempts]
    if job.finished_at:
        title = {
            Job.Status.COMPLETED: _("Completed"),
            Job.Status.FAILED: _("Failed"),
            Job.Status.CANCELLED: _("Cancelled"),
        }[Job.Status(job.status)]
        text = f"{job.error_code}: {job.error}" if job.error_code else ""
        events.append(Event(job.finished_at, title, job.status, text))
    if job.undo_requested_at:
        events.append(Event(job.undo_requested_at, _("Undoing was asked for")))
    if job.undone_at:
        events.append(Event(job.undone_at, _("Undone"), "cancelled", _("All that it had imported is removed.")))
    # An attempt ends in the moment in which its job does, and what was there first stays first.
    return sorted(events, key=lambda event: event.at)


def _attempt(count: int, attempt: Attempt) -> Event:
    outcomes = {
        Attempt.Outcome.COMPLETED: _("completed the job"),
        Attempt.Outcome.FAILED: _("failed"),
        Attempt.Outcome.CANCELLED: _("cancelled"),
        Attempt.Outcome.RELEASED: _("released, the worker was stopped"),
        Attempt.Outcome.LOST: _("the worker was lost"),
        Attempt.Outcome.CRASHED: _("ended by an unexpected error"),
    }
    lasted = ((attempt.ended_at or timezone.now()) - attempt.started_at).total_seconds()
    facts = {
        _("Worker"): attempt.worker,
        _("Bytes"): f"{number(attempt.start)} – {number(attempt.end)}",
        _("Windows"): number(attempt.windows),
        _("Latest checkpoint"): f"{attempt.checkpoint_at:%Y-%m-%d %H:%M:%S %Z}" if attempt.checkpoint_at else "–",
        _("Lasted"): in_seconds(lasted),
        _("Outcome"): outcomes[Attempt.Outcome(attempt.outcome)] if attempt.outcome else _("still open"),
    }
    title = _("Attempt %(count)s") % {"count": count}
    return Event(attempt.started_at, title, attempt.outcome or "at_work", facts=facts, trace=attempt.error)


def _checkpoints(job: Job) -> list[Any]:
    """Without their states, which can be hundreds of megabytes."""
    rows = job.checkpoints.annotate(state_size=Length("state"))
    return list(rows.values("level", "start", "end", "created_at", "state_size"))


def _reasons(job: Job) -> list[tuple[str, int]]:
    """Why rows were rejected, the most frequent first."""
    counted = sorted(job.reasons.items(), key=lambda item: (-item[1], item[0]))
    return [(words.reason(job, code), count) for code, count in counted]


def _files(job: Job) -> list[tuple[str, str]]:
    """Names in the storage, and what they are. An operator looks there; the report itself is its owner's to read."""
    files = [(job.result_name, _("the result"))] if job.result_name else []
    rejected = job.rejected.aggregate(rows=Sum("rows"))["rows"]
    if rejected:
        count = job.rejected.count()
        text = _("%(files)s files with %(rows)s rejected rows") % {"files": number(count), "rows": number(rejected)}
        files.append((f"jobs/{job.pk}/rejected-*.csv", text))
    return files
