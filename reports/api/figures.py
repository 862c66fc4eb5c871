"""What jobs end in, as figures a page at a time; and what is known while they run."""

import uuid
from collections.abc import Sequence
from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from accounts.api.refusals import refusals
from accounts.api.schemas import Out, Params, problems
from reports import columns, downloads, pipelines, sofar, totals
from reports.api.jobs import load_job
from reports.api.refusals import NO_RESULT
from reports.models import Job
from reports.pipelines import Line
from reports.report import largest_of
from salesagg.core.shown import SHOWN_CHARACTERS

# A century; a longer span is a file with wrong dates. Sales of very many digits count against an answer's size.
MAX_MONTHS = 1200
MAX_MONTHS_CHARACTERS = 400_000

router = Router(tags=["Results"], by_alias=True)


class DepartmentLine(Out):
    rank: int = Field(description="1 is the largest total.")
    department: str = Field(
        description=f"Of a name with more than {SHOWN_CHARACTERS} characters the beginning and “…”."
    )
    sales: str = Field(description="In decimal digits, however many.", examples=["125200"])
    rows: int = Field(description="How many rows it is the sum of.")
    share: float | None = Field(description="Of all sales, in percent; null where that would mean nothing.")


class Totals(Out):
    """A page of the table of totals."""

    items: list[DepartmentLine] = Field(description="At most 50.")
    count: int = Field(description="How many departments there are, or are found by `q`.")
    page: int
    pages: int


class MonthLine(Out):
    month: str = Field(description="YYYY-MM.", examples=["2026-11"])
    sales: str = Field(description="In decimal digits, however many.", examples=["125200"])
    rows: int = Field(description="How many rows it is the sum of.")


class Months(Out):
    items: list[MonthLine] = Field(
        description=f"In order; none for a file without dates. The latest, at most {MAX_MONTHS:,}; fewer when their "
        "sales have very many digits; the result as JSON has all of them."
    )
    count: int = Field(description="How many months there are.")


class SoFar(Out):
    """What the rows that have been read add up to."""

    departments: int | None = Field(description="How many there are; null when there is nothing to tell yet.")
    total: str | None = Field(description="Sales of all departments, in decimal digits.")
    largest: list[DepartmentLine] = Field(description="The largest, at most 20.")
    months: list[MonthLine] = Field(description="The latest, as `listMonths` has them.")


class FileColumns(Out):
    items: list[str] = Field(description="In the file's order, each once; none for a file without such a line.")


class TotalsQuery(Params):
    sort: Literal["name", "-name", "total", "-total", "rows", "-rows"] = Field(
        default="-total", description="The column that sorts; with a minus sign, in falling order."
    )
    q: str = Field(default="", max_length=200, description="A part of the department's name.")
    page: int = Field(default=1, ge=1, le=999_999_999, description="Beyond the last there are no items.")


@router.get(
    "/{uuid:job_id}/totals",
    response={200: Totals, **problems(404, 409)},
    openapi_extra=refusals({409: NO_RESULT}),
    operation_id="listTotals",
    summary="Page through the totals",
)
def list_totals(request: HttpRequest, job_id: uuid.UUID, asked: Annotated[TotalsQuery, Query()]) -> Totals:
    """As the report's table: in any order, searched, 50 at a time. For all of them, download the result."""
    job = load_job(request, job_id)
    downloads.check_result(job)
    page = totals.page_of(job, totals.Query.read({"sort": asked.sort, "q": asked.q, "page": str(asked.page)}))
    lines = page.rows if asked.page <= page.pages else []
    return Totals(
        items=[_line(row.rank, Line(row.name, row.total, row.rows), job.total) for row in lines],
        count=page.count,
        page=asked.page,
        pages=page.pages,
    )


@router.get(
    "/{uuid:job_id}/months",
    response={200: Months, **problems(404, 409)},
    openapi_extra=refusals({409: NO_RESULT}),
    operation_id="listMonths",
    summary="List the sales of months",
)
def list_months(request: HttpRequest, job_id: uuid.UUID) -> Months:
    """In order."""
    job = load_job(request, job_id)
    downloads.check_result(job)
    return Months(items=_months(_months_of(job)), count=job.months.count())


@router.get(
    "/{uuid:job_id}/so-far",
    response={200: SoFar, **problems(404)},
    operation_id="getSoFar",
    summary="Look at the totals so far",
)
def so_far(request: HttpRequest, job_id: uuid.UUID) -> SoFar:
    """Of what has been read, while the job runs. Of very many departments there is nothing to tell before the end;
    then these are the result's."""
    job = load_job(request, job_id)
    known = _end(job) if job.status == Job.Status.COMPLETED else sofar.totals_so_far(job)
    if known is None:
        return SoFar(departments=None, total=None, largest=[], months=[])
    return SoFar(
        departments=known.departments,
        total=known.total,
        largest=[_line(rank, line, known.total) for rank, line in enumerate(known.largest, start=1)],
        months=_months(known.months),
    )


@router.get(
    "/{uuid:job_id}/columns",
    response={200: FileColumns, **problems(404)},
    operation_id="listColumns",
    summary="List the columns of a job's file",
)
def list_columns(request: HttpRequest, job_id: uuid.UUID) -> FileColumns:
    """The names in the file's first line, to choose from for another run: at most 200 of them, and at most 20,000
    characters. Names of more than 1,000 characters cannot be chosen and are left out."""
    return FileColumns(items=columns.columns_of(load_job(request, job_id)))


def _end(job: Job) -> pipelines.SoFar:
    """What the result tells of what was asked for while it was not there."""
    largest = largest_of(job, sofar.LARGEST)
    return pipelines.SoFar(job.departments or 0, job.total, largest, _months_of(job))


def _months_of(job: Job) -> list[Line]:
    latest = job.months.order_by("-month").values_list("month", "total", "rows")[:MAX_MONTHS]
    return [Line(*line) for line in reversed(latest)]


def _line(rank: int, line: Line, total: str) -> DepartmentLine:
    share = totals.percent(line.total, total)
    return DepartmentLine(
        rank=rank,
        department=line.name,
        sales=line.total,
        rows=line.rows,
        share=None if share is None else float(share),
    )


def _months(lines: Sequence[Line]) -> list[MonthLine]:
    """The latest of `lines`, as many as an answer has."""
    told: list[MonthLine] = []
    left = MAX_MONTHS_CHARACTERS
    for line in reversed(lines[-MAX_MONTHS:]):
        left -= len(line.total)
        if left < 0:
            break
        told.append(MonthLine(month=line.name, sales=line.total, rows=line.rows))
    return told[::-1]
