"""The downloads of a report."""

import uuid

from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

from accounts.errors import Refusal
from reports import downloads
from reports.models import Job
from reports.views.loading import load_job


@require_safe
@login_required
def result_csv(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    job = load_job(request, pk)
    if job.status != Job.Status.COMPLETED:
        raise Refusal("no_result", "The job has no result yet. Wait until it is done.", status=409)
    return downloads.attachment(
        default_storage.open(job.result_name), filename=downloads.result_filename(job), content_type="text/csv"
    )


@require_safe
@login_required
def rejected_csv(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    job = load_job(request, pk)
    if job.context is None:
        raise Refusal("no_result", "No row of the file has been read yet. Wait until it is done.", status=409)
    return downloads.rejected_rows(job)
