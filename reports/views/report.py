"""The report."""

import uuid

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from reports.engine.faults import words_for
from reports.snapshots import describe
from reports.views.loading import load_job

TOTALS_PER_PAGE = 100


@require_safe
@login_required
def report(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    job = load_job(request, pk)
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
