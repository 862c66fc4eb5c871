"""Uploads in the admin: to be watched, and removed with their bytes."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.errors import Refusal
from uploads import lifecycle
from uploads.models import Upload


@admin.register(Upload)
class UploadAdmin(admin.ModelAdmin[Upload]):
    list_display = ("filename", "state", "progress", "size", "owner", "created_at", "completed_at", "expires_at")
    list_filter = ("state", "created_at")
    list_select_related = ("owner",)
    search_fields = ("=id", "filename", "owner__email")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    actions = ("cancel",)

    @admin.display(description=gettext_lazy("received"))
    def progress(self, upload: Upload) -> str:
        if not upload.length:
            return f"{upload.offset:,} B"
        return f"{100 * upload.offset / upload.length:.0f} %"

    @admin.display(description=gettext_lazy("size"), ordering="length")
    def size(self, upload: Upload) -> str:
        return _("not said yet") if upload.length is None else f"{upload.length:,} B"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Upload | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Upload | None = None) -> bool:
        # Deleting the row alone would leave its bytes behind; `cancel` removes them.
        return False

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("uploads.change_upload")

    @admin.action(description=gettext_lazy("Cancel selected uploads and delete their bytes"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Upload]) -> None:
        for upload in queryset:
            try:
                lifecycle.cancel(upload)
            except Refusal as refusal:
                self.message_user(request, f"{upload}: {refusal.message}", level=messages.WARNING)
            else:
                self.log_change(request, upload, "Cancelled.")
                self.message_user(request, _("%(name)s: cancelled.") % {"name": upload}, level=messages.SUCCESS)
