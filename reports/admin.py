"""Jobs in the admin: watched, retried, cancelled, through the same functions as everywhere else."""

from collections.abc import Callable
from datetime import timedelta

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.errors import Refusal
from reports import lifecycle
from reports.models import Checkpoint, Job


class CheckpointInline(admin.TabularInline[Checkpoint, Job]):
    model = Checkpoint
    fields = ("level", "start", "end", "created_at")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False


@admin.register(Job)
class JobAdmin(admin.ModelAdmin[Job]):
    list_display = (
        "filename",
        "kind",
        "status",
        "owner",
        "progress",
        "rows",
        "bad_rows",
        "duration",
        "error_code",
        "created_at",
    )
    list_filter = ("status", "kind", "error_code", "created_at")
    list_select_related = ("owner", "upload")
    search_fields = ("=id", "upload__filename", "owner__email", "error")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    inlines = (CheckpointInline,)
    actions = ("retry", "cancel")

    @admin.display(description="file", ordering="upload__filename")
    def filename(self, job: Job) -> str:
        return job.upload.filename

    @admin.display(description="progress")
    def progress(self, job: Job) -> str:
        total = job.upload.length
        return f"{100 * job.bytes_done / total:.0f} %" if total else f"{job.bytes_done:,} B"

    @admin.display(description="duration")
    def duration(self, job: Job) -> str:
        if job.started_at is None:
            return "–"
        seconds = ((job.finished_at or timezone.now()) - job.started_at).total_seconds()
        return str(timedelta(seconds=round(seconds))) if seconds >= 60 else f"{seconds:.1f} s"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("reports.change_job")

    @admin.action(description="Retry selected jobs", permissions=["operate"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self._each(request, queryset, lifecycle.retry, "will run again")

    @admin.action(description="Cancel selected jobs", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self._each(request, queryset, lifecycle.cancel, "is being cancelled")

    def _each(self, request: HttpRequest, jobs: QuerySet[Job], act: Callable[[Job], None], done: str) -> None:
        for job in jobs.select_related("upload"):
            try:
                act(job)
            except Refusal as refusal:
                self.message_user(request, f"{job}: {refusal.message}", level=messages.WARNING)
            else:
                self.message_user(request, f"{job} {done}.")
