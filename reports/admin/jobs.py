"""Jobs in the admin: looked at here, acted upon by `reports.admin.actions`, and never written by hand."""

import json
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from accounts.numbers import number, size
from accounts.numbers import seconds as in_seconds
from reports import shares, snapshots
from reports.admin import timeline
from reports.admin.actions import JobActions
from reports.admin.pages import OperationsPages
from reports.models import Job, Share
from reports.pipelines import pipeline_for
from salesagg.core.shown import cut
from uploads.models import Upload

SHOWN_FACTS = 5000


class Reasons(admin.AllValuesFieldListFilter):
    """The reasons there are. Not to have failed is none, and would be a link without a text."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lookup_choices = self.lookup_choices.exclude(error_code="")


@admin.register(Job)
class JobAdmin(OperationsPages, JobActions):
    list_display = (
        "filename",
        "state",
        "error_code",
        "progress",
        "file_size",
        "row_count",
        "bad_row_count",
        "speed",
        "duration",
        "owner",
        "created_at",
    )
    list_filter = ("status", "kind", ("error_code", Reasons), "created_at")
    list_select_related = ("owner", "upload")
    search_fields = ("=id", "upload__filename", "owner__email", "error")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    readonly_fields = (
        "file",
        "owner_link",
        "state",
        "choices",
        "received",
        "folded",
        "row_count",
        "bad_row_count",
        "speed",
        "duration",
        "department_count",
        "total_sales",
        "imported_count",
        "facts",
    )

    class Media:
        css = {"all": ("css/operations.css",)}

    def get_urls(self) -> list[Any]:
        revoke = self.admin_site.admin_view(self.revoke_share)
        return [path("shares/<uuid:pk>/revoke", revoke, name="reports_share_revoke"), *super().get_urls()]

    # --- Columns and fields

    @admin.display(description=gettext_lazy("file"), ordering="upload__filename")
    def filename(self, job: Job) -> str:
        return job.upload.filename

    @admin.display(description=gettext_lazy("file"))
    def file(self, job: Job) -> str:
        return _link("admin:uploads_upload_change", job.upload_id, job.upload.filename)

    @admin.display(description=gettext_lazy("owner"))
    def owner_link(self, job: Job) -> str:
        return _link("admin:accounts_user_change", job.owner_id, job.owner.email)

    @admin.display(description=gettext_lazy("state"), ordering="status")
    def state(self, job: Job) -> str:
        words = {
            Job.Status.PENDING: _("Pending"),
            Job.Status.PROCESSING: _("Processing"),
            Job.Status.COMPLETED: _("Completed"),
            Job.Status.FAILED: _("Failed"),
            Job.Status.CANCELLED: _("Cancelled"),
        }
        others = {"cancelling": _("Cancelling"), "undone": _("Undone")}
        word = others.get(snapshots.state_of(job), words[Job.Status(job.status)])
        return format_html('<span class="op-state" data-state="{}">{}</span>', job.status, word)

    @admin.display(description=gettext_lazy("options"))
    def choices(self, job: Job) -> str:
        return json.dumps(job.options, ensure_ascii=False) if job.options else _("none: everything as found")

    @admin.display(description=gettext_lazy("done"))
    def progress(self, job: Job) -> str:
        total = job.upload.length
        return f"{100 * job.bytes_done / total:.0f} %" if total else size(job.bytes_done)

    @admin.display(description=gettext_lazy("size"), ordering="upload__length")
    def file_size(self, job: Job) -> str:
        return "–" if job.upload.length is None else size(job.upload.length)

    @admin.display(description=gettext_lazy("received"))
    def received(self, job: Job) -> str:
        return _("%(done)s of %(all)s bytes") % {"done": number(job.upload.offset), "all": number(job.upload.length)}

    @admin.display(description=gettext_lazy("folded and checkpointed"))
    def folded(self, job: Job) -> str:
        return _("%(done)s of %(all)s bytes") % {"done": number(job.bytes_done), "all": number(job.upload.length)}

    @admin.display(description=gettext_lazy("rows"), ordering="rows")
    def row_count(self, job: Job) -> str:
        return number(job.rows)

    @admin.display(description=gettext_lazy("rejected"), ordering="bad_rows")
    def bad_row_count(self, job: Job) -> str:
        return number(job.bad_rows)

    @admin.display(description=gettext_lazy("rows/s"))
    def speed(self, job: Job) -> str:
        """The average, waiting for bytes included."""
        seconds = _seconds(job)
        return number(round(job.rows / seconds)) if seconds else "–"

    @admin.display(description=gettext_lazy("duration"))
    def duration(self, job: Job) -> str:
        seconds = _seconds(job)
        return "–" if seconds is None else in_seconds(seconds)

    @admin.display(description=gettext_lazy("departments"))
    def department_count(self, job: Job) -> str:
        return number(job.departments)

    @admin.display(description=gettext_lazy("total sales"))
    def total_sales(self, job: Job) -> str:
        return number(job.total)

    @admin.display(description=gettext_lazy("imported"))
    def imported_count(self, job: Job) -> str:
        """Leads to those that are still there and were not deleted by hand."""
        address = f"{reverse('admin:reports_customer_changelist')}?job__id__exact={job.pk}"
        return format_html('<a href="{}">{}</a>', address, number(job.rows - job.bad_rows))

    @admin.display(description=gettext_lazy("what is known of the file"))
    def facts(self, job: Job) -> str:
        return cut(json.dumps(job.context, ensure_ascii=False), SHOWN_FACTS) if job.context else "–"

    # --- Pages

    def get_fieldsets(self, request: HttpRequest, obj: Job | None = None) -> list[Any]:
        ended_badly = ["error_code", "error"] if obj is not None and obj.error_code else []
        sets: list[Any] = [
            (None, {"fields": ["file", "owner_link", "kind", "choices", "state", *ended_badly]}),
            (_("How far it is"), {"fields": ["received", "folded", "row_count", "bad_row_count", "speed", "duration"]}),
        ]
        if obj is not None and obj.result_name:
            sets.append((_("Result"), {"fields": ["department_count", "total_sales", "encoding"]}))
        if obj is not None and pipeline_for(obj.kind).can_be_undone:
            undone = ["undone_at"] if obj.is_undone else []
            sets.append((_("Import"), {"fields": ["imported_count", "encoding", *undone]}))
        claim = ["id", "request_id", "version", "attempt", "claimed_at", "lease_until", "token", "position", "facts"]
        return [*sets, (_("Claim"), {"classes": ["collapse"], "fields": claim})]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a job: its fields, and around them the timeline and what can be done."""
        job = self.get_object(request, unquote(object_id))
        extra = {**(extra_context or {}), "title": _("Job")}
        if job is not None and self.has_view_permission(request, job):
            may = self.has_operate_permission(request)
            gone = job.upload.state in (Upload.State.EXPIRED, Upload.State.CANCELLED)
            seen = snapshots.describe(job)
            extra |= timeline.of(job) | {
                "job": job,
                "shares": job.shares.all(),
                "may_operate": may,
                "can_cancel": may and seen["can_cancel"],
                "can_retry": may and seen["can_retry"],
                "can_run_again": may and not gone,
                "can_undo": may and seen["can_undo"],
                "now": timezone.now(),
            }
        return super().change_view(request, object_id, form_url, extra)

    @method_decorator(require_POST)
    def revoke_share(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Let a link to a report open nothing any more."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        share = get_object_or_404(Share.objects.select_related("job__upload"), pk=pk)
        shares.revoke(share)
        self.log_change(request, share.job, f"Link {share.pk} revoked.")
        self.message_user(request, _("The link is revoked."), level=messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:reports_job_change", args=[share.job_id]))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False


def _link(view: str, pk: Any, text: str) -> str:
    return format_html('<a href="{}">{}</a>', reverse(view, args=[pk]), text)


def _seconds(job: Job) -> float | None:
    """How long the job has been going on, or went."""
    if job.started_at is None:
        return None
    return ((job.finished_at or timezone.now()) - job.started_at).total_seconds()
