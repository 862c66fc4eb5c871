"""The downloads of a report."""

import uuid

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

from reports import downloads
from reports.views.loading import load_job


@require_safe
@login_required
def result(request: HttpRequest, pk: uuid.UUID, kind: str) -> HttpResponseBase:
    return downloads.result(load_job(request, pk), kind, safe=wants_safe(request), request=request)


@require_safe
@login_required
def rejected(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    return downloads.rejected(load_job(request, pk), safe=wants_safe(request))


def wants_safe(request: HttpRequest) -> bool:
    """``?safe=1``: a CSV for a spreadsheet, see `reports.safe_csv`."""
    return request.GET.get("safe") == "1"
