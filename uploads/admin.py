"""Uploads in the admin: to be watched, and removed with their bytes."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.errors import Refusal
from uploads import lifecycle
from uploads.models import Upload


@admin.register(Upload)
class UploadAdmin(admin.ModelAdmin[Upload]):
    list_display = ("filename", "owner", "state", "progress", "length", "created_at", "completed_at", "expires_at")
    list_filter = ("state", "created_at")
    list_select_related = ("owner",)
    search_fields = ("=id", "filename", "owner__email")
    date_hierarchy = "created_at"
    actions = ("cancel",)

    @admin.display(description="received")
    def progress(self, upload: Upload) -> str:
        if not upload.length:
            return f"{upload.offset:,} B"
        return f"{100 * upload.offset / upload.length:.0f} %"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Upload | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Upload | None = None) -> bool:
        # Deleting the row alone would leave its bytes behind; `cancel` removes them.
        return False

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("uploads.change_upload")

    @admin.action(description="Cancel selected uploads and delete their bytes", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Upload]) -> None:
        for upload in queryset:
            try:
                lifecycle.cancel(upload)
            except Refusal as refusal:
                self.message_user(request, f"{upload}: {refusal.message}", level="warning")
            else:
                self.message_user(request, f"{upload}: cancelled.")
