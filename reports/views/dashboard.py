"""The dashboard: choosing files, and the history of a person's jobs."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import require_user
from reports import sample
from reports.consumers import RECENT_JOBS
from reports.models import Job
from reports.snapshots import describe


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
def sample_csv(request: HttpRequest) -> HttpResponse:
    """A small file to try the product with."""
    headers = {"Content-Disposition": 'attachment; filename="sample-sales.csv"'}
    return HttpResponse(sample.sales_csv(), content_type="text/csv; charset=utf-8", headers=headers)
