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
from reports.models.jobs import DEFAULT_KIND
from reports.pipelines import pipelines
from uploads import lifecycle as uploads
from uploads import multipart
from uploads.api import FORM_REFUSALS, form_of

router = Router(tags=["Jobs"], by_alias=True)
FIELDS = tuple(options.keys())
_ANY_NAME = {"type": "string", "maxLength": options.MAX_NAME_LENGTH}
_NAME = {**_ANY_NAME, "pattern": r"\S"}
_OF_ROLES = {
    column.option or role: {
        **(_NAME if column.required else _ANY_NAME),
        "description": f"Of {kind}: the header's name of the column “{role}”, if it is not found by itself."
        + ("" if column.required else " Empty: there is no such column."),
    }
    for kind, pipeline in pipelines().items()
    for role, column in pipeline.columns.items()
}
_FORM = form_of(
    kind={"type": "string", "enum": list(pipelines()), "default": DEFAULT_KIND, "description": "What the file is."},
    **_OF_ROLES,
    amounts={
        "type": "string",
        "enum": ["true", "false"],
        "description": "`true`: sales may be decimals, and negative. Of other kinds only `false`.",
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
    with once(request, user, content_of=multipart.content_of) as served:
        if served.answered is not None:
            return answered(served.answered)
        # Before the file is stored in vain.
        lifecycle.check_open_jobs(user)
        with multipart.receiving(request, user, fields=FIELDS) as form:
            kind, chosen = options.parse(form.fields)
            with transaction.atomic():
                upload = form.complete()
                uploads.let_go(upload)
                job = lifecycle.process(upload, chosen, kind=kind)
                location = reverse("api:get_job", args=[job.pk])
                answer = answer_of(describe(job, request), location=location)
                return answered(served.keep(answer, content=form.content))
