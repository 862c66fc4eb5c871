"""The report, whole and in the parts that its scripts fetch anew."""

import uuid

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from reports import downloads, lifecycle, options
from reports.report import owners_report, table_of
from reports.views.loading import load_job


@require_safe
@login_required
def report(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    return render(request, "reports/report.html", _context(request, pk))


@require_safe
@login_required
def body(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """All below the card: what a page shows when its job has come further."""
    return render(request, "reports/_body.html", _context(request, pk))


@require_safe
@login_required
def table(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A page of the totals, in some order, searched or not."""
    job = load_job(request, pk)
    downloads.check_result(job)
    context = table_of(job, request.GET, base=reverse("report", args=[pk]))
    return render(request, "reports/_table.html", context)


@require_POST
@login_required
def run_again(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A new job over the same file, with the columns and options of the form."""
    old = load_job(request, pk)
    kind, chosen = options.from_form(request.POST, old.kind)
    job = lifecycle.run_again(old, chosen, kind=kind)
    return HttpResponseRedirect(reverse("report", args=[job.pk]))


def _context(request: HttpRequest, pk: uuid.UUID) -> dict[str, object]:
    return owners_report(load_job(request, pk), request.GET, base=reverse("report", args=[pk]))
