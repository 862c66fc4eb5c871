"""What can be done with a job, besides looking at it and deleting it."""

import uuid

from django.http import HttpRequest
from ninja import Router

from accounts.api.refusals import refusals
from accounts.api.schemas import problems
from reports import lifecycle
from reports.api.jobs import load_job
from reports.api.refusals import UPLOAD_GONE
from reports.api.schemas import JobOut, describe

router = Router(tags=["Jobs"], by_alias=True)


@router.post(
    "/{uuid:job_id}/cancel",
    response={200: JobOut, **problems(404, 409)},
    openapi_extra=refusals({409: "`job_finished`: it has ended already."}),
    operation_id="cancelJob",
    summary="Cancel a job",
)
def cancel_job(request: HttpRequest, job_id: uuid.UUID) -> JobOut:
    """At once when no worker has it; else its state is `cancelling` until the worker looks, which takes moments. What
    has been read is kept for a retry."""
    job = load_job(request, job_id)
    lifecycle.cancel(job)
    return describe(job, request)


@router.post(
    "/{uuid:job_id}/retry",
    response={200: JobOut, **problems(404, 409, 410)},
    openapi_extra=refusals({409: "`job_not_retryable`: it has neither failed nor been cancelled.", 410: UPLOAD_GONE}),
    operation_id="retryJob",
    summary="Retry a job",
)
def retry_job(request: HttpRequest, job_id: uuid.UUID) -> JobOut:
    """Go on with a failed or cancelled job from where it stood, with the same options. For others see `runJobAgain`."""
    job = load_job(request, job_id)
    lifecycle.retry(job)
    return describe(job, request)


@router.post(
    "/{uuid:job_id}/undo",
    response={200: JobOut, **problems(404, 409)},
    openapi_extra=refusals(
        {
            409: "`not_undoable`: it is no import. `job_open`: it has not ended; cancel it first. `undone_already`. "
            "`customers_changed`: of its customers some have been changed since; delete those first."
        }
    ),
    operation_id="undoJob",
    summary="Undo an import",
)
def undo_job(request: HttpRequest, job_id: uuid.UUID) -> JobOut:
    """Remove the customers that it has imported, also if it has failed or was cancelled. It may be run again then."""
    job = load_job(request, job_id)
    lifecycle.undo(job)
    return describe(job, request)
