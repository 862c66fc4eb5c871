"""The page of an import: what every kind of rows has, from what its pipeline says of itself.

A kind may have a template of its own for what it has imported, named after it: `_imported_<kind>.html`.
"""

from typing import Any

from django.template import TemplateDoesNotExist
from django.template.loader import get_template

from accounts.errors import Refusal
from reports import checkpoints, rejected, turns, words
from reports.counts import Counts, seconds_of
from reports.models import OPEN, Job
from reports.optional import part
from reports.pipelines import pipeline_for
from reports.snapshots import describe
from reports.totals import percent

Context = dict[str, Any]


def context_of(job: Job) -> Context:
    """What the page shows of `job`, while it runs and after."""
    is_open = job.status in OPEN
    return {
        "run": job,
        "title": pipeline_for(job.kind).title,
        "is_open": is_open,
        "is_waiting": turns.is_waiting(job),
        "percent": percent(str(job.bytes_done), str(job.upload.length or 0)) if is_open else None,
        "figures": Counts(job.rows, job.bad_rows, seconds_of(job)) if job.rows or not is_open else None,
        "reasons": words.reasons(job, part(job, "reasons", lambda: _reasons(job))["reasons"] or {}),
        **part(job, "rejected", lambda: rejected.preview(job)),
        "encoding": job.encoding,
        "imported_template": _own_template(job.kind) if job.rows > job.bad_rows and not job.is_undone else "",
    }


def question(job: Job) -> Context:
    """What the page shows that asks before it undoes `job`; `refusal`, if it cannot be."""
    refusal = None
    try:
        pipeline_for(job.kind).check_undo(job)
    except Refusal as raised:
        refusal = raised
    return {
        "job": describe(job),
        "refusal": refusal,
        "written": pipeline_for(job.kind).written(job),
        "imported_template": _own_template(job.kind),
    }


def _reasons(job: Job) -> dict[str, int]:
    """Why rows were rejected, also those of an import that did not come to its end, which keeps its checkpoints."""
    if job.status == Job.Status.COMPLETED or not job.bad_rows:
        return dict(job.reasons)
    states = checkpoints.states(job.pk)
    return dict(pipeline_for(job.kind).reasons_so_far(states)) if states else {}


def _own_template(kind: str) -> str:
    name = f"reports/_imported_{kind}.html"
    try:
        get_template(name)
    except TemplateDoesNotExist:
        return ""
    return name
