"""A first password that another person or program chose: it must be changed before anything else.

The first administrator's was in a file or on a screen, so a session, token or gRPC call of that account opens nothing
until the person has chosen a password of their own.
"""

from collections.abc import Callable
from typing import Any

from allauth.account import signals
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect

from accounts.errors import password_change_required
from accounts.middleware import refusal_response
from accounts.models import User

# What leads to a new password, or out. Whatever allauth asks on the way there is its own.
_OPEN = (
    "account_change_password",
    "account_logout",
    "account_login",
    "account_reauthenticate",
    "texts",
    "healthz",
    "readyz",
)
_OPEN_BEGINNINGS = ("account_reset_password", "mfa_")
# Allauth's API changes passwords too, and leads nowhere but to the person's own account.
_OPEN_PATH = "/api/auth/"
_OF_PROGRAMS = ("/api/", "/uploads/")


class FirstPasswordMiddleware:
    """Sends a session that must change its password to the page that does it; programs are answered 403."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponseBase | None:
        user = request.user
        if not isinstance(user, User) or not user.must_change_password or _leads_to_a_password(request):
            return None
        if request.method in ("GET", "HEAD") and not request.path.startswith(_OF_PROGRAMS):
            return redirect("account_change_password")
        return refusal_response(request, password_change_required())


@receiver([signals.password_changed, signals.password_set, signals.password_reset])
def note_new_password(user: User, **kwargs: Any) -> None:
    """The person has chosen a password: everything is open."""
    if user.must_change_password:
        user.must_change_password = False
        user.save(update_fields=["must_change_password"])


def _leads_to_a_password(request: HttpRequest) -> bool:
    match = request.resolver_match
    name = (match.url_name if match else None) or ""
    in_admin = match is not None and "admin" in match.namespaces
    if request.path.startswith(_OPEN_PATH) or (name in _OPEN and not in_admin):
        return True
    return name.startswith(_OPEN_BEGINNINGS) and not in_admin
