"""The dashboard: choosing files, and the history of a person's jobs."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import require_user
from reports import history, kinds, sample
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
        "kind_titles": kinds.titles(),
        "kinds": kinds.described(),
        # Where new jobs belong as they come.
        "is_newest": page.number == 1 and not chosen,
        "limits": {"max_bytes": settings.MAX_UPLOAD_BYTES, "chunk_bytes": settings.MAX_BODY_BYTES // 2},
    }
    return render(request, "reports/dashboard.html", context)


@require_safe
def sample_csv(request: HttpRequest) -> HttpResponse:
    """A small file to try the product with."""
    return _sample("sample-sales.csv", sample.sales_csv())


@require_safe
def sample_customers(request: HttpRequest) -> HttpResponse:
    """The same for an import."""
    return _sample("sample-customers.csv", sample.customers_csv())


def _sample(name: str, text: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=headers)
