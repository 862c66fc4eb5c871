"""Jobs over files that are there already."""

import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router

from accounts.api.auth import user_of
from accounts.api.once import create
from accounts.api.refusals import refusals
from accounts.api.schemas import IDEMPOTENT, problems
from accounts.ownership import load_owned
from reports import lifecycle
from reports.api.jobs import load_job
from reports.api.refusals import BAD_OPTIONS, TOO_MANY_JOBS, UPLOAD_GONE
from reports.api.schemas import JobOut, Work, describe
from reports.models import Job
from reports.models.jobs import DEFAULT_KIND
from uploads.models import Upload

files = Router(tags=["Files"], by_alias=True)
jobs = Router(tags=["Jobs"], by_alias=True)

_LOCATION = {"description": "The job's address.", "schema": {"type": "string"}}
MAKES_JOB = IDEMPOTENT | {"responses": {201: {"description": "The new job", "headers": {"Location": _LOCATION}}}}
_REFUSALS = {
    400: BAD_OPTIONS,
    409: "`request_in_progress`: a request with the same Idempotency-Key is being served.",
    410: UPLOAD_GONE,
    429: TOO_MANY_JOBS,
}


@files.post(
    "/{uuid:file_key}/process",
    response={201: JobOut, **problems(404, 409, 410)},
    openapi_extra=refusals(_REFUSALS, MAKES_JOB),
    operation_id="processFile",
    summary="Process a file",
)
def process_file(request: HttpRequest, file_key: uuid.UUID, work: Work | None = None) -> HttpResponse:
    """A new job over a file of yours, with columns and options of its own. A file that is still being uploaded is read
    as it comes."""
    upload = load_owned(Upload.objects.select_related("owner"), owner=user_of(request), pk=file_key)
    wanted = work or Work()
    kind = wanted.kind or DEFAULT_KIND
    return created(request, lambda: lifecycle.process(upload, wanted.chosen(kind), kind=kind))


@jobs.post(
    "/{uuid:job_id}/again",
    response={201: JobOut, **problems(404, 409, 410)},
    openapi_extra=refusals(_REFUSALS, MAKES_JOB),
    operation_id="runJobAgain",
    summary="Run a job again",
)
def run_job_again(request: HttpRequest, job_id: uuid.UUID, work: Work | None = None) -> HttpResponse:
    """A new job over the same file; this one stays as it is. Without a body it has this one's options."""
    job = load_job(request, job_id)
    if work is None:
        return created(request, lambda: lifecycle.run_again(job, job.options))
    kind = work.kind or job.kind
    return created(request, lambda: lifecycle.run_again(job, work.chosen(kind), kind=kind))


def created(request: HttpRequest, make: Callable[[], Job]) -> HttpResponse:
    """The answer that tells the job that `make` makes, now or when it was asked for before."""
    return create(
        request, lambda: describe(make(), request), location=lambda job: reverse("api:get_job", args=[job.job_id])
    )
