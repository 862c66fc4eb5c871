"""Users, their API tokens and their sessions in the admin."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import allauth.usersessions.admin  # noqa: F401  (registers what is registered anew below)
from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import audit, browsers, deletion, holdings, sessions, tokens
from accounts.acts import Act
from accounts.models import ApiToken, AuditEntry, User

admin.site.unregister(UserSession)


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User]):
    ordering = ("email",)
    list_display = ("email", "first_name", "last_name", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("email", "first_name", "last_name")
    fieldsets = (
        (None, {"fields": ("email", "password", "must_change_password")}),
        ("Person", {"fields": ("first_name", "last_name")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "usable_password", "password1", "password2")}),)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        self._delete(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            self._delete(request, user)

    def get_deleted_objects(
        self, objs: Sequence[User] | QuerySet[User], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """What is lost, counted. Django would load every row of it, and ask for leave to delete each by itself."""
        told: list[Any] = []
        counts: dict[str, int] = {}
        for user in objs:
            losses = holdings.losses(user)
            told += [str(user), [f"{loss.label}: {loss.count}" for loss in losses]] if losses else [str(user)]
            for label, count in [("Users", 1), *((loss.label, loss.count) for loss in losses)]:
                counts[label] = counts.get(label, 0) + count
        # Whether this person may delete users at all is asked elsewhere, and is what counts.
        return told, counts, set(), []

    def _delete(self, request: HttpRequest, user: User) -> None:
        deletion.close(user)
        # Django wraps the admin's page in a transaction; files do not come back when it is rolled back.
        transaction.on_commit(partial(self._finish, request, user))

    def _finish(self, request: HttpRequest, user: User) -> None:
        if not deletion.finish(user):
            told = f"{user} is locked, but not all files could be deleted. It is tried again within minutes."
            self.message_user(request, told, level=messages.WARNING)


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin[ApiToken]):
    """Tokens are issued by their users or by `manage.py create_token`; here they are watched and revoked."""

    list_display = ("name", "hint", "user", "scopes", "created_at", "last_used_at", "expires_at", "revoked_at")
    list_filter = ("scopes", "revoked_at", "expires_at", "created_at")
    list_select_related = ("user",)
    search_fields = ("name", "hint", "user__email")
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_apitoken")

    @admin.action(description="Revoke selected tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        for token in queryset:
            tokens.revoke(token)
        self.message_user(request, f"{len(queryset)} token(s) revoked.")


@admin.register(UserSession)
class UserSessionAdmin(admin.ModelAdmin[Any]):
    """Signed-in sessions are watched and ended; deleting the record alone would end nothing."""

    list_display = ("user", "browser", "ip", "created_at", "last_seen_at")
    list_filter = ("created_at", "last_seen_at")
    list_select_related = ("user",)
    search_fields = ("user__email", "ip", "user_agent")
    fields = ("user", "user_agent", "ip", "created_at", "last_seen_at")
    ordering = ("-last_seen_at",)
    actions = ("end",)

    @admin.display(description="browser", ordering="user_agent")
    def browser(self, session: Any) -> str:
        return browsers.describe(session.user_agent)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("usersessions.change_usersession")

    @admin.action(description="Sign out selected sessions", permissions=["end"])
    def end(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        owners = list(queryset.values_list("user", flat=True).distinct())
        self.message_user(request, f"{sessions.end(queryset)} session(s) signed out.")
        for owner in owners:
            audit.record(Act.SESSIONS_ENDED, account=owner)


class ActFilter(admin.SimpleListFilter):
    """By act, in words; the database knows codes."""

    title = "act"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Act.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(admin.ModelAdmin[AuditEntry]):
    """The audit log is looked at; nobody changes it, and time alone removes from it."""

    list_display = ("at", "act", "actor", "account", "via", "token", "address", "object_type", "label")
    list_filter = ("at", "via", ActFilter)
    list_select_related = ("actor", "account")
    search_fields = ("actor__email", "account__email", "action", "label", "=object_id", "=address", "=request_id")
    search_help_text = "By e-mail address, act, label, or the whole id of an object or request."
    list_per_page = 50
    # It may have millions of entries: how many, nobody needs to know.
    show_full_result_count = False
    ordering = ("-pk",)

    @admin.display(description="act", ordering="action")
    def act(self, entry: AuditEntry) -> str:
        return str(Act(entry.action).label) if entry.action in Act.values else entry.action

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return False
