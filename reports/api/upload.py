"""A file and its job in one request, as the older systems had it."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router

from accounts.api.auth import user_of
from accounts.api.once import answer_of, answered
from accounts.api.refusals import refusals
from accounts.api.schemas import problems
from accounts.idempotency import once
from reports import lifecycle, options
from reports.api.processing import MAKES_JOB
from reports.api.refusals import BAD_OPTIONS, TOO_MANY_JOBS
from reports.api.schemas import JobOut, describe
from uploads import lifecycle as uploads
from uploads import multipart
from uploads.api import FORM_REFUSALS, form_of

router = Router(tags=["Jobs"], by_alias=True)
FIELDS = (*options.ROLES, "amounts")
_ANY_NAME = {"type": "string", "maxLength": options.MAX_NAME_LENGTH}
_NAME = {**_ANY_NAME, "pattern": r"\S"}
_FORM = form_of(
    department={**_NAME, "description": "The header's name of that column, if it is not found by itself."},
    date={**_ANY_NAME, "description": "The same; empty: there is no such column, so no date is checked."},
    sales={**_NAME, "description": "The same."},
    amounts={
        "type": "string",
        "enum": ["true", "false"],
        "description": "`true`: sales may be decimals, and negative.",
    },
)
_REFUSALS = FORM_REFUSALS | {400: f"{FORM_REFUSALS[400]} {BAD_OPTIONS}", 429: TOO_MANY_JOBS}


@router.post(
    "/upload",
    response={201: JobOut, **problems(400, 409, 415, 507)},
    operation_id="uploadJob",
    summary="Upload a file and process it",
    openapi_extra=refusals(_REFUSALS, MAKES_JOB | _FORM),
)
def upload_job(request: HttpRequest) -> HttpResponse:
    """For files that fit into one request, up to `maxBodyBytes` of /api/limits. Larger ones are sent in chunks to
    /uploads/, by the tus protocol, and are processed while they come. The file goes with the last of its jobs.
    After a refusal nothing of it is stored."""
    user = user_of(request)
    with once(request, user) as served:
        if served.answered is not None:
            return answered(served.answered)
        # Before the file is stored in vain.
        lifecycle.check_open_jobs(user)
        with multipart.receiving(request, user, fields=FIELDS) as form:
            chosen = options.parse(form.fields)
            with transaction.atomic():
                upload = form.complete()
                uploads.let_go(upload)
                job = lifecycle.process(upload, chosen)
                location = reverse("api:get_job", args=[job.pk])
                return answered(served.keep(answer_of(describe(job, request), location=location)))
