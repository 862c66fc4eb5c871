"""Sales: total sales per department, and per month."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial as bind
from heapq import nlargest
from itertools import islice
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from reports import bulk, results
from reports.engine import Before, Layout, Means, Partial, columns, detect_layout, fold
from reports.engine.cuts import record_start
from reports.engine.numbers import Number, text, total
from reports.engine.rejects import header, header_in, note, renumbered
from reports.engine.result import csv_lines
from reports.limits import limits
from reports.models import DepartmentTotal, Job, MonthTotal
from reports.pipelines import headers
from reports.pipelines.base import Column, Context, FoldedWindow, Line, Pipeline, Result, SoFar

# Lines of the result written in one transaction.
BATCH_ROWS = 5000
# Totals of a running job are shown if they take at most this much memory; merging takes about three times as much.
MAX_SO_FAR_BYTES = 8 * 1024 * 1024
_NOT_AN_AMOUNT = _("the sales are not a number")


class SalesPipeline(Pipeline):
    """The engine, made a pipeline. Options: ``columns``, a mapping of role to header name; ``amounts``."""

    kind = "sales"
    title = _("Sales")
    columns = {
        "department": Column(_("Department"), columns.NAMES["department"]),
        "date": Column(_("Date"), columns.NAMES["date"], required=False),
        "sales": Column(_("Sales"), columns.NAMES["sales"]),
    }
    reasons = {
        "wrong_number_of_fields": _("the number of fields differs from the header's"),
        "empty_department": _("the department is empty"),
        "invalid_date": _("the date is not a day written YYYY-MM-DD"),
        "invalid_sales": _("the sales are not a whole number from 0"),
        "too_long": _("the row is too long; a quotation mark is probably not closed"),
    }
    has_result = True
    apart = True

    def fold(self, data: bytes, job: Job, *, final: bool) -> FoldedWindow:
        if job.context is None:
            amounts = bool(job.options.get("amounts"))
            layout = detect_layout(data, final=final, named=job.options.get("columns"), amounts=amounts)
            if layout is None:
                return FoldedWindow(consumed=0, rows=0, bad_rows=0, state=b"", context=None)
            context, first_line = _first_context(data, layout)
            start, skipping = layout.data_start, False
        else:
            context, first_line = job.context, b""
            layout, start, skipping = Layout.from_json(context["layout"]), 0, context["skipping"]
        window = fold(
            data[start:] if start else data,
            layout,
            final=final,
            before=Before(job.rows, job.bad_rows, skipping),
            means=Means(limits(), settings.FOLD_THREADS),
        )
        return FoldedWindow(
            consumed=start + window.consumed,
            rows=window.partial.rows,
            bad_rows=window.partial.bad_rows,
            state=window.partial.encode(),
            context={**context, "skipping": window.skipping},
            rejected=window.rejected,
            header=first_line,
        )

    def cut(self, data: bytes, context: Context) -> int | None:
        return record_start(data, Layout.from_json(context["layout"]))

    def fold_apart(self, data: bytes, job: Job) -> FoldedWindow:
        assert job.context is not None
        layout = Layout.from_json(job.context["layout"])
        # By then there is no more room in the list than now.
        whole, lines, position, before = Partial.of(layout), list[bytes](), 0, Before(bad_rows=job.bad_rows)
        while position < len(data):
            rest = data[position:] if position else data
            window = fold(rest, layout, final=False, before=before, means=Means(limits(), settings.FOLD_THREADS))
            if window.skipping or not window.consumed:
                break
            whole.merge(window.partial)
            lines += window.rejected
            position, before = position + window.consumed, window.after(before)
        context = {**job.context, "skipping": False}
        return FoldedWindow(position, whole.rows, whole.bad_rows, whole.encode(), context, lines)

    def join(self, window: FoldedWindow, job: Job) -> FoldedWindow | None:
        assert job.context is not None
        if job.context["skipping"]:
            return None
        room = max(limits().listed_rows(job.context["layout"]["width"]) - job.bad_rows, 0)
        return replace(window, rejected=renumbered(window.rejected[:room], job.rows))

    def merge(self, states: Sequence[bytes]) -> bytes:
        return _merged(states).encode()

    def finish(self, states: Sequence[bytes], *, context: Context, job_id: uuid.UUID, token: uuid.UUID) -> Result:
        partial = _merged(states)
        layout = Layout.from_json(context["layout"])
        name = results.store_csv(csv_lines(partial), job_id=job_id, token=token)
        sales = [line.sales for line in partial.departments()]
        ranks = _ranks(sales)
        fields = {
            "result_name": name,
            "departments": len(ranks),
            "total": text(total(sales), partial.places),
            "reasons": partial.reasons,
            "encoding": layout.encoding if partial.utf8 else "windows-1252",
        }
        return Result(fields, _records(partial, ranks, job_id), files=(name,))

    def so_far(self, states: Sequence[bytes], *, largest: int) -> SoFar | None:
        if sum(map(Partial.unpacked_bytes, states)) > MAX_SO_FAR_BYTES:
            return None
        partial = _merged(states)
        departments = list(partial.departments())
        top = nlargest(largest, departments, key=lambda line: line.sales)
        return SoFar(
            departments=len(departments),
            total=text(total(line.sales for line in departments), partial.places),
            largest=[Line(line.names[0], text(line.sales, partial.places), line.rows) for line in top],
            months=[Line(line.month, text(line.sales, partial.places), line.rows) for line in partial.by_month()],
        )

    def rejected_header(self, context: Context) -> str:
        return header(Layout.from_json(context["layout"])) if headers.is_kept_whole(context) else ""

    def fields_before_error(self, context: Context) -> int:
        return int(context["layout"]["width"])

    def rejected_note(self, context: Context, text: str) -> str:
        return note(Layout.from_json(context["layout"]), text)

    def rejected_encoding(self, job: Job) -> str:
        """As they stand in the file, whose encoding is known only at its end."""
        return job.encoding if job.encoding == "windows-1252" else "utf-8"

    def reason(self, code: str, options: Mapping[str, Any]) -> str:
        return (
            str(_NOT_AN_AMOUNT) if code == "invalid_sales" and options.get("amounts") else super().reason(code, options)
        )

    def header(self, context: Context) -> Sequence[str]:
        return context["layout"]["header"] or []

    def found(self, context: Context) -> dict[str, str]:
        if not headers.is_kept_whole(context):
            return dict(context[headers.FOUND])
        layout = context["layout"]
        # Reports that are older than the second version of layouts do not tell.
        if layout["version"] < 2 or not layout["header"]:
            return {}
        positions = {role: layout["columns"][role] for role in self.columns}
        positions["department"] = positions["department"][0]
        return {
            role: layout["header"][position] if position is not None else "" for role, position in positions.items()
        }


def _first_context(data: bytes, layout: Layout) -> tuple[Context, bytes]:
    """What the job keeps of the layout, as JSON that every database takes; and the first line of its report of rejected
    rows, where that is too long to be kept. The columns are found by their positions, not by these names."""
    if layout.header is None:
        return {"layout": layout.to_json()}, b""
    names = list(map(_storable, layout.header))
    if not headers.is_long(names):
        return {"layout": replace(layout, header=tuple(names)).to_json()}, b""
    columns = layout.columns
    positions = {"department": columns.department[0], "date": columns.date, "sales": columns.sales}
    kept = replace(layout, header=tuple(headers.beginning(names)))
    return {"layout": kept.to_json(), headers.FOUND: headers.found(names, positions)}, header_in(data, layout)


def _storable(name: str) -> str:
    """PostgreSQL's texts have no NUL; the result as CSV has the name as it is."""
    return name.replace("\0", "\ufffd")


def _merged(states: Sequence[bytes]) -> Partial:
    merged = Partial.decode(states[0])
    for state in states[1:]:
        merged.merge(Partial.decode(state))
    merged.check(limits())
    return merged


def _ranks(sales: Sequence[Number]) -> list[int]:
    """The rank of each, 1 for the largest; those that are equal, in order."""
    order = sorted(range(len(sales)), key=sales.__getitem__, reverse=True)
    ranks = [0] * len(sales)
    for rank, index in enumerate(order, start=1):
        ranks[index] = rank
    return ranks


def _records(partial: Partial, ranks: list[int], job_id: uuid.UUID) -> Iterator[Callable[[], object]]:
    """What writes the totals, first removing those of a worker that did not come to its end."""
    yield DepartmentTotal.objects.filter(job=job_id).delete
    yield MonthTotal.objects.filter(job=job_id).delete
    job = bulk.prepared(DepartmentTotal, "job", job_id)
    departments = (
        (job, _storable(line.names[0]), text(line.sales, partial.places), line.rows, rank)
        for line, rank in zip(partial.departments(), ranks, strict=True)
    )
    while lines := list(islice(departments, BATCH_ROWS)):
        yield bind(bulk.insert, DepartmentTotal, ("job", "name", "total", "rows", "rank"), lines)
    months = ((job, line.month, text(line.sales, partial.places), line.rows) for line in partial.by_month())
    while lines_of_months := list(islice(months, BATCH_ROWS)):
        yield bind(bulk.insert, MonthTotal, ("job", "month", "total", "rows"), lines_of_months)
