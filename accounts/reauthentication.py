"""Recent authentication: whatever gives lasting access to an account asks again who is there.

A session lasts for weeks and may be open in an unattended browser, or its cookie stolen. So a page that changes how
people or programs get in requires that the person has logged in, or has confirmed the password or second factor,
within `ACCOUNT_REAUTHENTICATION_TIMEOUT`. The pages of allauth follow the same rule (`AccountAdapter`).

Failure story: a thief with a session cookie added an email address, made it the login and reset the password.
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import get_authentication_records, record_authentication
from allauth.account.signals import user_signed_up
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.errors import Refusal

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def is_recent(request: HttpRequest) -> bool:
    """Return whether the session's person has authenticated recently, by logging in or by confirming it."""
    user: Any = request.user
    if not user.is_authenticated:
        return False
    records = get_authentication_records(request, user)
    return bool(records) and time.time() - records[-1]["at"] < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


@receiver(user_signed_up)
def _count_sign_up(request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """A person who has just chosen the password has entered it; allauth records logins alone."""
    record_authentication(request, user, method="password")


def required(*, back: str = "") -> Callable[[View[P]], View[P]]:
    """Decorate a view that needs recent authentication; the person must be logged in already.

    `back` names the page to return to if the view itself cannot be opened with GET.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if is_recent(request):
                return view(request, *args, **kwargs)
            return ask(request, back=reverse(back) if back else "")

        return checked

    return decorate


def ask(request: HttpRequest, *, back: str = "") -> HttpResponseBase:
    """Redirect to the page that asks who is there, and from there to `back` or to the page that was requested.

    A form that was sent is dropped, and the person is told so. Keeping it in the session, as allauth would, writes
    passwords to the database and later sends a form that the person no longer sees.
    """
    back = back or request.get_full_path()
    if not request.user.is_authenticated:
        return redirect_to_login(back)
    methods = get_adapter().get_reauthentication_methods(request.user)
    if not methods:
        message = _("Your account has no password that could confirm this. Reset your password, then try again.")
        raise Refusal("reauthentication_unavailable", message, status=403)
    if request.method not in _SAFE_METHODS:
        messages.info(request, _("Nothing has been changed yet. Confirm that it is you, then try again."))
    return redirect(f"{methods[0]['url']}?{urlencode({'next': back})}")


def require_recent(request: HttpRequest) -> None:
    """For the API: raise `Refusal` (403) if a session asks that has not authenticated recently.

    A request with a token is authorized by the scopes of the token.
    """
    if getattr(request, "credentials", None) is None and not is_recent(request):
        raise Refusal(
            "reauthentication_required",
            _("Confirm your password at /accounts/reauthenticate/ and try again. An API token needs no confirmation."),
            status=403,
        )
