"""Webhooks and their messages in the admin: watched, switched off and on, sent again. No secret is shown."""

from typing import Any, TypeVar

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.errors import Refusal
from reports.models import Delivery, Webhook
from reports.webhooks import management, words

M = TypeVar("M", bound=Model)


class Watched(admin.ModelAdmin[M]):
    """Looked at by whoever may view them, acted upon by whoever may change them, written and deleted by nobody here."""

    # The pages are their owners'.
    view_on_site = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"reports.change_{self.opts.model_name}")


@admin.register(Webhook)
class WebhookAdmin(Watched[Webhook]):
    list_display = ("url", "owner", "created_at", "disabled_at")
    list_filter = (("disabled_at", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("owner",)
    search_fields = ("=id", "url", "owner__email")
    fields = ("id", "url", "owner", "created_at", "failing_since", "disabled_at", "disabled_because")
    ordering = ("-created_at",)
    actions = ("switch_off", "switch_on")

    @admin.action(description=gettext_lazy("Switch selected webhooks off"), permissions=["operate"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        self._switch(request, queryset, on=False)

    @admin.action(description=gettext_lazy("Switch selected webhooks on"), permissions=["operate"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        self._switch(request, queryset, on=True)

    def _switch(self, request: HttpRequest, webhooks: QuerySet[Webhook], *, on: bool) -> None:
        said = _("is switched on.") if on else _("is switched off.")
        for webhook in webhooks:
            management.switch(webhook, on=on)
            self.log_change(request, webhook, said)
            self.message_user(request, f"{webhook.url} {said}", level=messages.SUCCESS)


@admin.register(Delivery)
class DeliveryAdmin(Watched[Delivery]):
    list_display = ("created_at", "event", "state", "attempts", "status_code", "reason", "webhook", "owner")
    list_filter = ("state", "event", "created_at")
    list_select_related = ("webhook__owner",)
    search_fields = ("=id", "=job_id", "webhook__url", "webhook__owner__email")
    date_hierarchy = "created_at"
    fields = (
        *("id", "event", "webhook", "owner", "job_id", "state", "attempts", "status_code", "reason"),
        *("created_at", "attempted_at", "next_attempt_at", "body"),
    )
    ordering = ("-created_at",)
    actions = ("send_again",)

    @admin.display(description=gettext_lazy("owner"), ordering="webhook__owner__email")
    def owner(self, delivery: Delivery) -> str:
        return delivery.webhook.owner.email

    @admin.display(description=gettext_lazy("error"))
    def reason(self, delivery: Delivery) -> str:
        return words.error(delivery) or "–"

    @admin.action(description=gettext_lazy("Send selected messages again"), permissions=["operate"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        count = 0
        for delivery in queryset.select_related("webhook"):
            try:
                management.send_again(delivery)
            except Refusal as refusal:
                self.message_user(request, f"{delivery.webhook.url}: {refusal.message}", level=messages.WARNING)
            else:
                count += 1
                self.log_change(request, delivery, "Sent again.")
        if count:
            said = ngettext("%(count)s message is sent again.", "%(count)s messages are sent again.", count)
            self.message_user(request, said % {"count": count}, level=messages.SUCCESS)
