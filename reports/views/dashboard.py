"""The dashboard: choosing files, and the history of a person's jobs."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import require_user
from reports import history, sample
from reports.snapshots import describe


@require_safe
@login_required
def dashboard(request: HttpRequest) -> HttpResponse:
    chosen = history.Filter.read(request.GET)
    page = history.page_of(require_user(request), chosen, number=request.GET.get("page"))
    context = {
        "jobs": [{**describe(job), "created": job.created_at} for job in page],
        "page": page,
        "chosen": chosen,
        "states": [(state, words) for state, (words, _) in history.STATES.items()],
        # Where new jobs belong as they come.
        "is_newest": page.number == 1 and not chosen,
        "limits": {"max_bytes": settings.MAX_UPLOAD_BYTES, "chunk_bytes": settings.MAX_BODY_BYTES // 2},
    }
    return render(request, "reports/dashboard.html", context)


@require_safe
def sample_csv(request: HttpRequest) -> HttpResponse:
    """A small file to try the product with."""
    headers = {"Content-Disposition": 'attachment; filename="sample-sales.csv"'}
    return HttpResponse(sample.sales_csv(), content_type="text/csv; charset=utf-8", headers=headers)
