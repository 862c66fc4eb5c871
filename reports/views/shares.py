"""Links to a report: made and revoked by its owner, opened by anybody who has one."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import not_found
from reports import downloads, shares
from reports.report import report_of, table_of
from reports.unlisted import unlisted
from reports.views.downloads import wants_safe
from reports.views.loading import load_job


@require_POST
@login_required
def create(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    job = load_job(request, pk)
    days = request.POST.get("days", "")
    shares.create(job, days=int(days) if days in map(str, shares.DAYS) else 0)
    return HttpResponseRedirect(reverse("report", args=[pk]) + "#share")


@require_POST
@login_required
def revoke(request: HttpRequest, pk: uuid.UUID, share: uuid.UUID) -> HttpResponse:
    found = load_job(request, pk).shares.filter(pk=share).first()
    if found is None:
        raise not_found(_("link"))
    shares.revoke(found)
    messages.success(request, _("The link opens nothing any more."))
    return HttpResponseRedirect(reverse("report", args=[pk]) + "#share")


@unlisted
@require_safe
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """The report as whoever has the link sees it: totals and downloads, no rows of the file itself, nothing to do."""
    job = shares.open_for_view(token, request)
    shares.note_reading(token, job)
    context = report_of(job, request.GET, base=reverse("shared", args=[token]))
    return render(request, "reports/shared.html", context)


@unlisted
@require_safe
def shared_table(request: HttpRequest, token: str) -> HttpResponse:
    context = table_of(shares.open_for_view(token, request), request.GET, base=reverse("shared", args=[token]))
    return render(request, "reports/_table.html", context)


@unlisted
@require_safe
def shared_result(request: HttpRequest, token: str, kind: str) -> HttpResponseBase:
    job = shares.open_for_download(token, request)
    return downloads.result(job, kind, safe=wants_safe(request), request=request)
