"""A report as pages show it: a job's figures, its charts, a page of its table. For its owner and for shared links.

An import has another page, see `reports.importpage`; what both have is here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import ngettext

from accounts.numbers import number
from reports import again, columns, importpage, rejected, shares, sofar, words
from reports.counts import Counts, seconds_of
from reports.engine.numbers import Number
from reports.engine.numbers import total as sum_of
from reports.models import FINISHED, OPEN, Job
from reports.optional import part
from reports.pipelines import Line, pipeline_for
from reports.snapshots import describe
from reports.totals import Query, bar, page_of, percent, shown
from salesagg.core.shown import cut
from uploads.models import Upload

Context = dict[str, Any]
CHART_DEPARTMENTS = 10
# Ten years; a longer span is a file with wrong dates, or one whose table tells more than a chart.
CHART_MONTHS = 120


@dataclass(frozen=True)
class Figures(Counts):
    """The headline. `total` is in decimal digits."""

    total: str
    departments: int


def report_of(job: Job, asked: Mapping[str, str], *, base: str) -> Context:
    """All that the report of `job` shows to anybody; `base` is the address its own addresses begin with."""
    context: Context = {
        "job": describe(job),
        "base": base,
        "error": words.error(job.error_code, job.error),
        "has_result": pipeline_for(job.kind).has_result,
    }
    if not context["has_result"]:
        return context | importpage.context_of(job)
    if job.status == Job.Status.COMPLETED:
        return context | _complete(job, asked)
    return context | (_partial(job) if job.status in OPEN else {})


def owners_report(job: Job, asked: Mapping[str, str], *, base: str) -> Context:
    """`report_of`, and what only the owner sees and can do."""
    context = report_of(job, asked, base=base)
    if job.status not in FINISHED:
        return context
    there = job.upload.state in (Upload.State.RECEIVING, Upload.State.COMPLETE)
    if context["has_result"]:
        context |= part(job, "rejected", lambda: rejected.preview(job))
        context |= {
            "shares": [{"share": share, "url": shares.url(share)} for share in shares.valid(job)],
            "days": shares.DAYS,
        }
    context |= part(job, "again", lambda: again.form_for(job, asked.get("kind", "")) if there else None)
    return context | {
        "other_runs": job.upload.jobs.exclude(pk=job.pk).order_by("-created_at")[:10],
    }


def table_of(job: Job, asked: Mapping[str, str], *, base: str) -> Context:
    """The table alone, for another order, search or page of it."""
    return {"table": page_of(job, Query.read(asked)), "base": base}


def _complete(job: Job, asked: Mapping[str, str]) -> Context:
    months = job.months.order_by("-month").values_list("month", "total", "rows")[:CHART_MONTHS]
    return {
        "figures": Figures(job.rows, job.bad_rows, seconds_of(job), job.total, job.departments or 0),
        "table": page_of(job, Query.read(asked)),
        "departments_chart": departments_chart(largest_of(job, CHART_DEPARTMENTS), job.total, job.departments or 0),
        **_months([Line(*line) for line in reversed(months)], job.months.count()),
        "reasons": words.reasons(job, job.reasons),
        "encoding": job.encoding,
        "header": columns.header_of(job),
    }


def largest_of(job: Job, count: int) -> list[Line]:
    """The largest departments of a completed job, their names as they are shown."""
    top = shown(job.totals.filter(rank__lte=count).order_by("rank"))
    return [Line(cut(line.shown_name), line.total, line.rows) for line in top]


def _partial(job: Job) -> Context:
    """What the windows folded so far tell."""
    so_far = part(job, "so_far", lambda: sofar.totals_so_far(job))["so_far"]
    if so_far is None or job.started_at is None:
        # Nothing yet; or the first window was committed just after `job` was read.
        return {"partial": True}
    top = so_far.largest[0].total if so_far.largest else "0"
    rows = [
        {
            "rank": rank,
            "name": line.name,
            "total": line.total,
            "rows": line.rows,
            "share": percent(line.total, so_far.total),
            "bar": bar(line.total, top),
        }
        for rank, line in enumerate(so_far.largest, start=1)
    ]
    return {
        "partial": True,
        "percent": percent(str(job.bytes_done), str(job.upload.length or 0)),
        "figures": Figures(job.rows, job.bad_rows, seconds_of(job), so_far.total, so_far.departments),
        "largest": rows,
        "departments_chart": departments_chart(so_far.largest, so_far.total, so_far.departments),
        **_months(so_far.months[-CHART_MONTHS:], len(so_far.months)),
    }


def departments_chart(largest: Sequence[Line], total: str, departments: int) -> str:
    """The chart of the largest departments, and one bar for all others, as `static/js/charts.js` reads it."""
    shown = list(largest[:CHART_DEPARTMENTS])
    labels, totals = [line.name for line in shown], [line.total for line in shown]
    others = departments - len(shown)
    if others > 0 and total:
        rest = sum_of([_exact(total), *(_exact(_negated(line.total)) for line in shown)])
        labels.append(ngettext("%(count)s other", "%(count)s others", others) % {"count": number(others)})
        totals.append(str(rest))
    return _chart(labels, totals)


def _months(latest: Sequence[Line], count: int) -> Context:
    """The `latest` of the months, of which there are so many."""
    return {
        "months": latest,
        "all_months": count,
        "months_chart": _chart([line.name for line in latest], [line.total for line in latest]),
    }


def _chart(labels: Sequence[str], totals: Sequence[str]) -> str:
    # Numbers for the bars' lengths, texts for people: a float cannot hold every total.
    values = [float(_exact(total)) if len(total) < 300 else None for total in totals]
    return json.dumps({"labels": labels, "values": values, "texts": [number(total) for total in totals]})


def _exact(text: str) -> Number:
    return Decimal(text) if "." in text else int(text)


def _negated(text: str) -> str:
    return text[1:] if text.startswith("-") else f"-{text}"
