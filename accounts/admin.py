"""Users, their API tokens and their sessions in the admin."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import allauth.mfa.admin
import allauth.usersessions.admin  # noqa: F401  (registers what is registered anew below)
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import audit, browsers, deletion, holdings, notices, second_factor, sessions, tokens
from accounts.acts import Act
from accounts.models import ApiToken, AuditEntry, User

admin.site.unregister(Authenticator)
admin.site.unregister(UserSession)


class PasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]
    """A password that an operator sets is a change that the person must learn about."""

    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit)
        audit.record(Act.PASSWORD_CHANGED, account=user)
        notices.mail(user, "account/email/password_changed", {})
        return user


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User]):
    ordering = ("email",)
    list_display = ("email", "first_name", "last_name", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("email", "first_name", "last_name")
    fieldsets = (
        (None, {"fields": ("email", "password", "must_change_password", "second_factors")}),
        ("Person", {"fields": ("first_name", "last_name")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "usable_password", "password1", "password2")}),)
    readonly_fields = ("second_factors",)
    change_password_form = PasswordForm

    @admin.display(description="second factors")
    def second_factors(self, user: User) -> str:
        return ", ".join(map(second_factor.label, second_factor.of(user))) or "none"

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "is_active" in form.changed_data and not obj.is_active:
            audit.record(Act.ACCOUNT_LOCKED, account=obj)
            notices.send(obj, Act.ACCOUNT_LOCKED)
        if change and "email" in form.changed_data:
            former = form.initial["email"]
            notices.mail(obj, "account/email/email_changed", {"from_email": former, "to_email": obj.email}, [former])

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


@admin.register(Authenticator)
class AuthenticatorAdmin(admin.ModelAdmin[Any]):
    """Second factors are listed without their keys. A person who lost them asks an operator to remove them."""

    list_display = ("user", "type", "name", "created_at", "last_used_at")
    list_filter = ("type", "created_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("user__email",)
    fields = ("user", "type", "name", "created_at", "last_used_at")
    readonly_fields = fields
    ordering = ("user__email", "pk")
    actions = ("remove_all",)

    @admin.display(description="name")
    def name(self, authenticator: Any) -> str:
        return second_factor.label(authenticator)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("mfa.delete_authenticator")

    @admin.action(description="Remove all second factors of the selected people", permissions=["remove"])
    def remove_all(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        people = User.objects.filter(pk__in=queryset.values("user"))
        count = sum(second_factor.remove_all(user) for user in people)
        self.message_user(request, f"{count} second factor(s) removed.")


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
