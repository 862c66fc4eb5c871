"""Stored files: what there is and what it takes, made into reports, deleted."""

import uuid

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import holdings
from accounts.access import require_user
from accounts.models import User
from accounts.ownership import load_owned
from reports import kinds, lifecycle, options
from reports.models import OPEN, Job
from uploads import lifecycle as uploads
from uploads.models import Part, Upload

PER_PAGE = 20


@require_safe
@login_required
def files(request: HttpRequest) -> HttpResponse:
    user = require_user(request)
    page = Paginator(_stored(user), PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "used": holdings.usage(user), "quota": settings.QUOTA_BYTES, "kinds": kinds.titles()}
    return render(request, "reports/files.html", context)


@require_POST
@login_required
def make_report(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A job over the file, of the kind that the form says or that the file's header tells, with the columns that are
    found; its page lets choose others."""
    file = _load(request, pk)
    kind = options.check_kind(request.POST.get("kind") or kinds.guess(file))
    job = lifecycle.process(file, {}, kind=kind)
    return redirect("report", job.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def delete(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask, then delete the file. Its reports stay."""
    file = _load(request, pk)
    if request.method == "POST":
        uploads.delete(file)
        messages.success(request, _("“%(name)s” has been deleted.") % {"name": file.filename})
        return redirect("files")
    if file.state not in uploads.STORED:
        raise uploads.gone(file)
    context = {
        "file": file,
        "imported": file.parts.filter(borrowed=True).exists(),
        "reports": file.jobs.count(),
        "busy": file.jobs.filter(status__in=OPEN).order_by("-created_at").first(),
    }
    return render(request, "reports/delete_file.html", context)


def _load(request: HttpRequest, pk: uuid.UUID) -> Upload:
    return load_owned(Upload.objects.select_related("owner"), owner=require_user(request), pk=pk)


def _stored(user: User) -> QuerySet[Upload]:
    """Newest first, each with its jobs."""
    jobs = Job.objects.only("pk", "upload_id", "kind").order_by("-created_at")
    borrowed = Part.objects.filter(upload=OuterRef("pk"), borrowed=True)
    stored = user.uploads.filter(state__in=uploads.STORED).order_by("-created_at", "-pk")
    return stored.annotate(imported=Exists(borrowed)).prefetch_related(Prefetch("jobs", jobs))
