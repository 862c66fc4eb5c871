"""The pages: dashboard and report, and what can be done on them."""

import uuid

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.access import require_user
from accounts.errors import Refusal
from accounts.ownership import load_owned
from reports import downloads, lifecycle, sample
from reports.consumers import RECENT_JOBS
from reports.engine.faults import words_for
from reports.models import Job
from reports.snapshots import describe

TOTALS_PER_PAGE = 100


@require_safe
@login_required
def dashboard(request: HttpRequest) -> HttpResponse:
    user = require_user(request)
    jobs = Job.objects.filter(owner=user).select_related("upload").order_by("-created_at")
    limits = {"max_bytes": settings.MAX_UPLOAD_BYTES, "chunk_bytes": settings.MAX_BODY_BYTES // 2}
    return render(
        request, "reports/dashboard.html", {"jobs": [describe(job) for job in jobs[:RECENT_JOBS]], "limits": limits}
    )


@require_safe
@login_required
def report(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    job = _load(request, pk)
    page = Paginator(job.totals.order_by("rank"), TOTALS_PER_PAGE).get_page(request.GET.get("page"))
    amounts = bool(job.options.get("amounts"))
    reasons = sorted(job.reasons.items(), key=lambda reason: -reason[1])
    context = {
        "job": describe(job),
        "page": page,
        "good_rows": job.rows - job.bad_rows,
        "reasons": [(words_for(code, amounts=amounts), rows) for code, rows in reasons],
        "encoding": job.encoding,
        "header": job.context and job.context["layout"]["header"],
    }
    return render(request, "reports/report.html", context)


@require_safe
@login_required
def result_csv(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    job = _load(request, pk)
    if job.status != Job.Status.COMPLETED:
        raise Refusal("no_result", "The job has no result yet. Wait until it is done.", status=409)
    return downloads.attachment(
        default_storage.open(job.result_name), filename=downloads.result_filename(job), content_type="text/csv"
    )


@require_safe
@login_required
def rejected_csv(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    job = _load(request, pk)
    if job.context is None:
        raise Refusal("no_result", "No row of the file has been read yet. Wait until it is done.", status=409)
    return downloads.rejected_rows(job)


@require_POST
@login_required
def cancel(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    job = _load(request, pk)
    lifecycle.cancel(job)
    return _changed(request, job)


@require_POST
@login_required
def retry(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    job = _load(request, pk)
    lifecycle.retry(job)
    return _changed(request, job)


@require_safe
def sample_csv(request: HttpRequest) -> HttpResponse:
    """A small file to try the product with."""
    headers = {"Content-Disposition": 'attachment; filename="sample-sales.csv"'}
    return HttpResponse(sample.sales_csv(), content_type="text/csv; charset=utf-8", headers=headers)


def _load(request: HttpRequest, pk: uuid.UUID) -> Job:
    return load_owned(Job.objects.select_related("upload"), owner=require_user(request), pk=pk)


def _changed(request: HttpRequest, job: Job) -> HttpResponse:
    """Scripts get the job as it is now, forms go to its page."""
    if request.accepts("text/html"):
        return HttpResponseRedirect(reverse("report", args=[job.pk]))
    return JsonResponse(describe(job))
