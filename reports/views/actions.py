"""What a person can do with a job. Scripts get the job as it is then, forms go on to a page."""

import uuid

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.errors import Refusal
from reports import importpage, lifecycle
from reports.models import Job
from reports.pipelines import pipeline_for
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
        pipeline = pipeline_for(job.kind)
        context = {
            "job": describe(job),
            "others": others,
            "has_result": pipeline.has_result,
            "written": pipeline.written(job),
        }
        return render(request, "reports/remove.html", context)
    lifecycle.delete(job)
    if request.accepts("text/html"):
        return HttpResponseRedirect(reverse("dashboard"))
    return HttpResponse(status=204)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def undo(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask, then remove what the job has imported. Whoever comes back to the question when there is nothing to undo any
    more is sent to the job's page."""
    job = load_job(request, pk)
    if request.method == "POST":
        try:
            lifecycle.undo(job)
        except Refusal as refusal:
            if refusal.code != "customers_changed" or not request.accepts("text/html"):
                raise
            return render(request, "reports/undo.html", importpage.question(job), status=refusal.status)
        return _changed(request, job)
    if not describe(job)["can_undo"]:
        return HttpResponseRedirect(reverse("report", args=[job.pk]))
    return render(request, "reports/undo.html", importpage.question(job))


def _changed(request: HttpRequest, job: Job) -> HttpResponse:
    if request.accepts("text/html"):
        return HttpResponseRedirect(reverse("report", args=[job.pk]))
    return JsonResponse(describe(job))
