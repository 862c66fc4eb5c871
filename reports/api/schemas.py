"""How the API writes jobs. The names of counters and times are those of the systems it replaces."""

import uuid
from datetime import datetime
from typing import Literal, cast

from django.http import HttpRequest
from django.urls import reverse
from pydantic import ConfigDict, Field

from accounts import bindings
from accounts.api.schemas import In, Out
from reports import columns, models, signed, words
from reports import options as chosen
from reports.api.kinds import ChosenColumns, FoundColumns, Kind
from reports.pipelines import pipeline_for
from reports.snapshots import Snapshot
from reports.snapshots import describe as snapshot_of
from salesagg.core.shown import cut
from salesagg.core.trusted_request import site_url
from uploads.models import Upload

Status = Literal["pending", "processing", "completed", "failed", "cancelled"]
State = Literal[
    "uploading", "queued", "processing", "cancelling", "done", "done_with_rejects", "failed", "cancelled", "undone"
]
FileState = Literal["receiving", "complete", "expired", "cancelled"]
Action = Literal["cancel", "retry", "again", "undo", "delete"]


class Options(In):
    """What cannot be found in the file itself. All of it may be left out."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"columns": {"department": "Region", "date": "", "sales": "Takings"}, "amounts": True}]
        }
    )

    columns: ChosenColumns = Field(default={})
    amounts: bool = Field(default=False, strict=True, description="Sales may be decimals, and negative.")

    def chosen(self, kind: str) -> chosen.Options:
        """As a job of that kind keeps them. Raises `Refusal` (400)."""
        return chosen.from_api(kind, self.columns, amounts=self.amounts)


class Work(Options):
    """What to do with a file."""

    kind: Kind | None = Field(
        default=None, description="What the file is; by default that of the job that is run again, else `sales`."
    )


class Failure(Out):
    """Why a job failed."""

    code: str = Field(description="Stable, for programs.", examples=["missing_columns"])
    detail: str = Field(description="For people: what to do.")


class Progress(Out):
    """How far a job is."""

    job_id: uuid.UUID
    version: int = Field(description="Grows with every change.")
    status: Status
    state: State = Field(description="The status as people see it, the upload's part included.")
    uploaded_bytes: int = Field(description="How much of the file has come.")
    total_bytes: int | None = Field(description="Of the file; null while the client has not told it.")
    processed_bytes: int = Field(description="How much of the file has been read.")
    processed_rows: int = Field(description="Rows read so far: `successCount` and `failedCount` together.")
    total_rows: int | None = Field(description="null until the whole file has been read.")
    success_count: int = Field(description="Rows in the totals, or imported.")
    failed_count: int = Field(description="Rows that were rejected; each is in errors.csv.")


class Job(Progress):
    """What is being done with a file, or was: how far it is, and how it ended."""

    kind: Kind
    file_key: uuid.UUID
    file_name: str
    file_state: FileState = Field(
        description="`receiving`: its upload goes on; `complete`: all of it is there; else its bytes are gone."
    )
    options: Options = Field(description="What was chosen for it.")
    columns: FoundColumns | None = Field(
        description="null until the first line has been read, and for a file without one, which is read by position."
    )
    encoding: str | None = Field(description="What the file was read as; null until the end.", examples=["utf-8"])
    departments: int | None = Field(description="How many the result has; null until it is there.")
    total: str | None = Field(
        description="Sales of all departments, in decimal digits, however many; null until the result is there.",
        examples=["125200"],
    )
    reasons: dict[str, int] = Field(
        description="How many rows were rejected for which reason, once the whole file has been read; a row can have "
        "several.",
        examples=[{"invalid_date": 3, "invalid_sales": 1}],
    )
    error: Failure | None = Field(description="Why it failed; null unless it has.")
    created_at: datetime
    started_at: datetime | None = Field(description="When a worker began; null while none has.")
    finished_at: datetime | None = Field(description="When it ended, however it did; null while it is open.")
    undone_at: datetime | None = Field(description="When all that it had imported was removed again.")
    seconds: float | None = Field(description="From `startedAt` to `finishedAt`.")
    rows_per_second: int | None = Field(description="In that time.")
    actions: list[Action] = Field(description="What can be done with it as it stands.")
    url: str = Field(description="The job's page.")
    download_urls: dict[str, str] = Field(
        description="Of those of `csv`, `xlsx`, `json`, `parquet` and `errors` that are there: signed, they work "
        "without logging in, as long as the API token or session is valid that asked for them.",
    )
    download_urls_expire_at: datetime | None = Field(description="null when there are none.")


# For modules that have the database's `Job` too.
JobOut = Job


def progress_of(seen: Snapshot) -> Progress:
    """How far a job is, by what pages and events are told of it."""
    rows, bad_rows = seen["rows"], seen["bad_rows"]
    return Progress(
        job_id=seen["id"],
        version=seen["version"],
        status=seen["status"],
        state=seen["state"],
        uploaded_bytes=seen["upload"]["offset"],
        total_bytes=seen["upload"]["length"],
        processed_bytes=seen["bytes_done"],
        processed_rows=rows,
        total_rows=rows if seen["status"] == models.Job.Status.COMPLETED else None,
        success_count=rows - bad_rows,
        failed_count=bad_rows,
    )


def describe(job: models.Job, request: HttpRequest | None = None) -> JobOut:
    """Everything about `job` that its owner may know; without a request, without signed addresses.

    `job.upload` should be loaded with it.
    """
    seen = snapshot_of(job)
    until = signed.expiry()
    files = signed.files(job) if request is not None else {}
    page = reverse("report", args=[job.pk])
    seconds = (job.finished_at - job.started_at).total_seconds() if job.finished_at and job.started_at else None
    return JobOut(
        **progress_of(seen).model_dump(),
        kind=job.kind,
        file_key=job.upload_id,
        file_name=job.upload.filename,
        file_state=cast(FileState, job.upload.state),
        options=Options(columns=_chosen(job), amounts=job.options.get("amounts", False)),
        columns={role: cut(name) or None for role, name in columns.found_in(job).items()} or None,
        encoding=job.encoding or None,
        departments=job.departments,
        total=job.total or None,
        reasons=job.reasons,
        error=Failure(code=job.error_code, detail=words.error(job.error_code, job.error)) if job.error_code else None,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        undone_at=job.undone_at,
        seconds=seconds,
        rows_per_second=round(job.rows / seconds) if seconds else None,
        actions=_actions(job, seen),
        url=site_url(page) if request is not None else page,
        download_urls={name: _address(request, job, file, until) for name, file in files.items()},
        download_urls_expire_at=until if files else None,
    )


def _chosen(job: models.Job) -> dict[str, str | None]:
    named = job.options.get("columns", {})
    return {role: named.get(role) for role in pipeline_for(job.kind).columns}


def _actions(job: models.Job, seen: Snapshot) -> list[Action]:
    possible: dict[Action, bool] = {
        "cancel": seen["can_cancel"],
        "retry": seen["can_retry"],
        "again": job.upload.state in (Upload.State.RECEIVING, Upload.State.COMPLETE),
        "undo": seen["can_undo"],
        "delete": seen["can_remove"],
    }
    return [action for action, can in possible.items() if can]


def _address(request: HttpRequest | None, job: models.Job, file: str, until: datetime) -> str:
    assert request is not None
    return site_url(signed.path(job, file, until=until, bound_to=bindings.of_request(request)))
