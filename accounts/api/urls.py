"""Logging in for programs: what of allauth's headless API we offer, at the addresses that it has there.

The rest is for apps that have no pages of ours. It has its own rules about e-mail addresses, which with us are log-ins
(`accounts.forms.AddEmailForm`), and lets passwords be tried without a limit; people do all that on the account's pages.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.headless.account.views import LoginView, SessionView, SignupView
from allauth.headless.constants import Client
from allauth.headless.mfa.views import AuthenticateView
from allauth.headless.tokens.views import RefreshTokenView
from allauth.headless.usersessions.views import SessionsView
from django.http import HttpRequest, HttpResponseBase
from django.urls import path
from django.utils.translation import gettext as _

from accounts.errors import Refusal
from salesagg.core import json_body

_OFFERED = {
    "auth/login": LoginView,
    # The second step of a login to an account with a second factor: a code of an app, or a recovery code.
    "auth/2fa/authenticate": AuthenticateView,
    "auth/signup": SignupView,
    "auth/session": SessionView,
    "auth/sessions": SessionsView,
    "tokens/refresh": RefreshTokenView,
}


def _checking_json(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Refuse a body that allauth would fail on with a server error."""

    @wraps(view)
    def checked(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
        try:
            json_body.parse(request.body)
        except ValueError:
            raise Refusal("bad_request", _("The request cannot be read."), status=400) from None
        return view(request, **arguments)

    return checked


urlpatterns = [
    path(f"app/v1/{address}", _checking_json(view.as_api_view(client=Client.APP))) for address, view in _OFFERED.items()
]
