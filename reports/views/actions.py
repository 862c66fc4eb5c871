"""What a person can do with a job. Scripts get the job as it is then, forms go on to a page."""

import uuid

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from reports import lifecycle
from reports.models import Job
from reports.snapshots import describe
from reports.views.loading import load_job


@require_POST
@login_required
def cancel(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    job = load_job(request, pk)
    lifecycle.cancel(job)
    return _changed(request, job)


@require_POST
@login_required
def retry(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    job = load_job(request, pk)
    lifecycle.retry(job)
    return _changed(request, job)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def remove(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask, then delete the job, and the file unless another job reads it."""
    job = load_job(request, pk)
    if request.method != "POST":
        others = job.upload.jobs.exclude(pk=job.pk).count()
        return render(request, "reports/remove.html", {"job": describe(job), "others": others})
    lifecycle.delete(job)
    if request.accepts("text/html"):
        return HttpResponseRedirect(reverse("dashboard"))
    return HttpResponse(status=204)


def _changed(request: HttpRequest, job: Job) -> HttpResponse:
    if request.accepts("text/html"):
        return HttpResponseRedirect(reverse("report", args=[job.pk]))
    return JsonResponse(describe(job))
