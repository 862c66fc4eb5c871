"""What jobs end in, as files."""

import uuid
from typing import Annotated

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Query, Router
from pydantic import Field

from accounts.api.refusals import refusals
from accounts.api.schemas import Out, problems
from reports import downloads
from reports.api.attachments import CSV, described_conditional, unless_known
from reports.api.downloads import SAFE
from reports.api.jobs import load_job
from reports.api.refusals import AWAY, EXPORT_FAILED, NO_RESULT
from reports.formats import FORMATS

router = Router(tags=["Results"], by_alias=True)

Safe = Annotated[bool, Query(description=SAFE)]


class ResultDepartment(Out):
    name: str
    sales: int | str
    rows: int


class ResultMonth(Out):
    month: str
    sales: int | str
    rows: int


class Result(Out):
    """All that is known. Sales are numbers of any size; with the option `amounts` decimals, written as strings."""

    file: str
    rows: int
    rejected_rows: int
    reasons: dict[str, int]
    encoding: str
    total: int | str | None
    months: list[ResultMonth]
    departments: list[ResultDepartment] = Field(description="In order of their names.")


@router.get(
    "/{uuid:job_id}/result.csv",
    response={200: None, 302: None, **problems(404, 409, 503)},
    openapi_extra=refusals({409: NO_RESULT, 503: AWAY}, described_conditional(CSV, sent_on=True)),
    operation_id="getResultCsv",
    summary="Download the result as CSV",
)
def result_csv(request: HttpRequest, job_id: uuid.UUID, safe: Safe = False) -> HttpResponseBase:
    """`Department Name,Total Number of Sales`, in order of the names."""
    return _result(request, job_id, "csv", safe=safe)


@router.get(
    "/{uuid:job_id}/result.xlsx",
    response={200: None, 302: None, **problems(404, 409, 503)},
    openapi_extra=refusals(
        {409: NO_RESULT, 503: EXPORT_FAILED}, described_conditional(FORMATS["xlsx"].content_type, sent_on=True)
    ),
    operation_id="getResultXlsx",
    summary="Download the result as a workbook",
)
def result_xlsx(request: HttpRequest, job_id: uuid.UUID) -> HttpResponseBase:
    """Departments and months. Numbers that a spreadsheet would round are texts.

    A workbook of many departments is made once and then kept: the response to the first request begins at once, and its
    body comes when the workbook has been made."""
    return _result(request, job_id, "xlsx")


@router.get(
    "/{uuid:job_id}/result.json",
    response={200: Result, **problems(404, 409)},
    openapi_extra=refusals({409: NO_RESULT}, described_conditional()),
    operation_id="getResultJson",
    summary="Download the result as JSON",
)
def result_json(request: HttpRequest, job_id: uuid.UUID) -> HttpResponseBase:
    """All that is known of it."""
    return _result(request, job_id, "json")


@router.get(
    "/{uuid:job_id}/result.parquet",
    response={200: None, 302: None, **problems(404, 409, 503)},
    openapi_extra=refusals(
        {409: NO_RESULT, 503: EXPORT_FAILED}, described_conditional(FORMATS["parquet"].content_type, sent_on=True)
    ),
    operation_id="getResultParquet",
    summary="Download the result as Parquet",
)
def result_parquet(request: HttpRequest, job_id: uuid.UUID) -> HttpResponseBase:
    """Sales have the narrowest type that holds all of them exactly. Made once and kept, as the workbook is."""
    return _result(request, job_id, "parquet")


@router.get(
    "/{uuid:job_id}/errors.csv",
    response={200: None, **problems(404, 409, 503)},
    openapi_extra=refusals({409: "`no_result`: no row has been read yet.", 503: AWAY}, described_conditional(CSV)),
    operation_id="getErrors",
    summary="Download the rejected rows",
)
def errors_csv(request: HttpRequest, job_id: uuid.UUID, safe: Safe = False) -> HttpResponseBase:
    """`rowNumber`, the file's own columns, `error`. While the job runs, those that were found so far."""
    job = load_job(request, job_id)
    return unless_known(request, job, ("errors", safe), lambda: downloads.rejected(job, safe=safe))


def _result(request: HttpRequest, job_id: uuid.UUID, kind: str, *, safe: bool = False) -> HttpResponseBase:
    job = load_job(request, job_id)
    return unless_known(request, job, (kind, safe), lambda: downloads.result(job, kind, safe=safe, request=request))
