"""How the API writes jobs. The names of counters and times are those of the systems it replaces."""

import uuid
from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from django.urls import reverse
from pydantic import Field

from accounts.api.schemas import In, Out
from reports import options as chosen
from reports import signed, words
from reports.formats import FORMATS
from reports.models import Job
from reports.snapshots import state_of

Status = Literal["pending", "processing", "completed", "failed", "cancelled"]
State = Literal["uploading", "queued", "processing", "cancelling", "done", "done_with_rejects", "failed", "cancelled"]
ERRORS_FILE = "errors.csv"


class Columns(In):
    """The header's names of columns that are not found by themselves."""

    department: str | None = Field(default=None, max_length=chosen.MAX_NAME_LENGTH)
    date: str | None = Field(
        default=None, max_length=chosen.MAX_NAME_LENGTH, description="Empty: there is none, so no date is checked."
    )
    sales: str | None = Field(default=None, max_length=chosen.MAX_NAME_LENGTH)


class Options(In):
    """What cannot be found in the file itself."""

    columns: Columns = Columns()
    amounts: bool = Field(default=False, description="Sales may be decimals, and negative.")


class Failure(Out):
    code: str = Field(description="Stable, for programs.")
    detail: str = Field(description="For people: what to do.")


class Progress(Out):
    """How far a job is."""

    job_id: uuid.UUID
    version: int = Field(description="Grows with every change.")
    status: Status
    state: State = Field(description="The status as people see it, the upload's part included.")
    uploaded_bytes: int
    total_bytes: int | None = Field(description="null while the client has not told it.")
    processed_bytes: int
    processed_rows: int
    total_rows: int | None = Field(description="null until the whole file has been read.")
    success_count: int = Field(description="Rows in the totals.")
    failed_count: int = Field(description="Rows that were rejected; each is in errors.csv.")


class JobOut(Progress):
    """A job."""

    kind: Literal["sales"]
    file_key: uuid.UUID
    file_name: str
    options: Options
    departments: int | None = Field(description="How many the result has.")
    total: str | None = Field(description="Sales of all departments, in decimal digits.")
    encoding: str | None = Field(description="What the file was read as.")
    reasons: dict[str, int] = Field(description="How many rows were rejected for which reason.")
    error: Failure | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    url: str = Field(description="The report's page.")
    download_urls: dict[str, str] = Field(
        description="`csv`, `xlsx`, `json`, `parquet` and `errors`: signed, they work without logging in."
    )
    download_urls_expire_at: datetime | None


def progress_of(job: Job) -> Progress:
    return Progress(**_progress(job))


def describe(job: Job, request: HttpRequest | None = None) -> JobOut:
    """Everything about `job` that its owner may know; without a request, without signed addresses.

    `job.upload` should be loaded with it.
    """
    until = signed.expiry()
    files = _files(job) if request is not None else {}
    page = reverse("report", args=[job.pk])
    return JobOut(
        **_progress(job),
        kind="sales",
        file_key=job.upload_id,
        file_name=job.upload.filename,
        options=Options(columns=Columns(**job.options.get("columns", {})), amounts=job.options.get("amounts", False)),
        departments=job.departments,
        total=job.total or None,
        encoding=job.encoding or None,
        reasons=job.reasons,
        error=Failure(code=job.error_code, detail=words.error(job.error_code, job.error)) if job.error_code else None,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        url=request.build_absolute_uri(page) if request is not None else page,
        download_urls={name: _address(request, job, file, until) for name, file in files.items()},
        download_urls_expire_at=until if files else None,
    )


def _progress(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.pk,
        "version": job.version,
        "status": job.status,
        "state": state_of(job),
        "uploaded_bytes": job.upload.offset,
        "total_bytes": job.upload.length,
        "processed_bytes": job.bytes_done,
        "processed_rows": job.rows,
        "total_rows": job.rows if job.status == Job.Status.COMPLETED else None,
        "success_count": job.rows - job.bad_rows,
        "failed_count": job.bad_rows,
    }


def _files(job: Job) -> dict[str, str]:
    files = {kind: f"result.{kind}" for kind in FORMATS} if job.status == Job.Status.COMPLETED else {}
    return files | ({"errors": ERRORS_FILE} if job.context is not None else {})


def _address(request: HttpRequest | None, job: Job, file: str, until: datetime) -> str:
    assert request is not None
    path = reverse("api:download", args=[signed.token(job.pk, file, until=until), file])
    return request.build_absolute_uri(path)
