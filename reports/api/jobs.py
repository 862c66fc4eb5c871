"""Jobs: listed, looked at, cancelled, retried, deleted."""

import uuid
from typing import Annotated

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from ninja import Query, Router
from pydantic import AwareDatetime, Field

from accounts.api.auth import user_of
from accounts.api.paging import Page, Paging, page_of
from accounts.api.schemas import problems
from accounts.ownership import load_owned
from reports.api.schemas import JobOut, Status, describe
from reports.models import Job

router = Router(tags=["Jobs"], by_alias=True)


class Filters(Paging):
    status: list[Status] = Field(default=[], max_length=5, description="Jobs with one of these.")
    file_key: uuid.UUID | None = Field(default=None, description="Jobs over this file.")
    q: str = Field(default="", max_length=255, description="A part of the file's name.")
    created_after: AwareDatetime | None = None
    created_before: AwareDatetime | None = None


@router.get("", response={200: Page[JobOut], **problems(400)}, operation_id="listJobs", summary="List jobs")
def list_jobs(request: HttpRequest, asked: Annotated[Filters, Query()]) -> Page[JobOut]:
    """Newest first."""
    jobs, cursor = page_of(_chosen(request, asked), asked)
    return Page(items=[describe(job, request) for job in jobs], next=cursor)


@router.get("/{uuid:job_id}", response={200: JobOut, **problems(404)}, operation_id="getJob", summary="Look at a job")
def get_job(request: HttpRequest, job_id: uuid.UUID) -> JobOut:
    return describe(load_job(request, job_id), request)


def load_job(request: HttpRequest, job_id: uuid.UUID) -> Job:
    """The caller's job. Raises `Refusal` (404)."""
    return load_owned(Job.objects.select_related("upload"), owner=user_of(request), pk=job_id)


def _chosen(request: HttpRequest, asked: Filters) -> QuerySet[Job]:
    chosen = Q(owner=user_of(request))
    if asked.status:
        chosen &= Q(status__in=asked.status)
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
