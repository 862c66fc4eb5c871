"""Jobs: listed, looked at, deleted."""

import re
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, WithJsonSchema

from accounts.api.auth import user_of
from accounts.api.paging import Page, Paging, page_of
from accounts.api.refusals import refusals
from accounts.api.schemas import problems
from accounts.errors import Refusal
from accounts.ownership import load_owned
from reports import lifecycle
from reports.api.kinds import Kind
from reports.api.refusals import JOB_OPEN
from reports.api.schemas import JobOut, Status, describe
from reports.models import Job
from reports.pipelines import pipelines

router = Router(tags=["Jobs"], by_alias=True)


def _in_utc(time: datetime | None) -> datetime | None:
    try:
        return time and time.astimezone(UTC)
    except OverflowError:
        raise ValueError("this time is out of range") from None


def _no_number(asked: object) -> object:
    # Seconds since 1970, which pydantic would take for a time.
    if isinstance(asked, str) and re.fullmatch(r"[-+.\d]*", asked):
        raise ValueError("a time is written 2026-11-22T12:00:00Z")
    return asked


def _described(**schema: Any) -> WithJsonSchema:
    """Without the null that these have in Python and no query can have."""
    return WithJsonSchema({"type": "string", **schema})


# One that every database can compare.
Time = Annotated[
    AwareDatetime | None, BeforeValidator(_no_number), AfterValidator(_in_utc), _described(format="date-time")
]


class JobFilters(Paging):
    status: list[Status] = Field(default=[], max_length=5, description="Jobs with one of these.")
    kind: Annotated[Kind | None, _described(enum=list(pipelines()))] = Field(
        default=None, description="Jobs of this kind."
    )
    file_key: Annotated[uuid.UUID | None, _described(format="uuid")] = Field(
        default=None, description="Jobs over this file."
    )
    q: str = Field(default="", max_length=255, description="A part of the file's name.")
    created_after: Time = Field(default=None, description="Jobs that came later.")
    created_before: Time = Field(default=None, description="Jobs that came earlier.")


@router.get(
    "",
    response={200: Page[JobOut], **problems(400)},
    openapi_extra=refusals({400: "`bad_cursor`: it is none of ours."}),
    operation_id="listJobs",
    summary="List jobs",
)
def list_jobs(request: HttpRequest, asked: Annotated[JobFilters, Query()]) -> Page[JobOut]:
    """Newest first. `next` goes on where this page ends; jobs that come meanwhile are not in the way."""
    jobs, cursor = page_of(_chosen(request, asked), asked)
    return Page(items=[describe(job, request) for job in jobs], next=cursor)


@router.get("/{uuid:job_id}", response={200: JobOut, **problems(404)}, operation_id="getJob", summary="Look at a job")
def get_job(request: HttpRequest, job_id: uuid.UUID) -> JobOut:
    """How far it is, how it ended, and what can be done with it. To watch one rather than ask again and again, see
    `streamJob`."""
    return describe(load_job(request, job_id), request)


@router.delete(
    "/{uuid:job_id}",
    response={204: None, **problems(404, 409)},
    openapi_extra=refusals({409: JOB_OPEN}),
    operation_id="deleteJob",
    summary="Delete a job",
)
def delete_job(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """Delete a job that has ended, with its results and shares; and its file, unless that was stored for its own sake
    or another job reads it."""
    job = load_job(request, job_id)
    if not job.is_finished:
        raise Refusal("job_open", _("The job has not ended. Cancel it first, or wait until it is done."), status=409)
    lifecycle.delete(job)
    return HttpResponse(status=204)


def load_job(request: HttpRequest, job_id: uuid.UUID) -> Job:
    """The caller's job. Raises `Refusal` (404)."""
    return load_owned(Job.objects.select_related("upload"), owner=user_of(request), pk=job_id)


def _chosen(request: HttpRequest, asked: JobFilters) -> QuerySet[Job]:
    chosen = Q(owner=user_of(request))
    if asked.status:
        chosen &= Q(status__in=asked.status)
    if asked.kind:
        chosen &= Q(kind=asked.kind)
    if asked.file_key:
        chosen &= Q(upload=asked.file_key)
    if asked.q:
        # No name has a NUL, and PostgreSQL takes none.
        chosen &= Q(upload__filename__icontains=asked.q.replace("\0", ""))
    if asked.created_after:
        chosen &= Q(created_at__gt=asked.created_after)
    if asked.created_before:
        chosen &= Q(created_at__lt=asked.created_before)
    return Job.objects.filter(chosen).select_related("upload")
