"""Who calls an operation of the API: by token, or by the session of a page."""

import copy
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.translation import gettext as _
from ninja.security.base import AuthBase

from accounts import credentials, ratelimit
from accounts.credentials import EVERYTHING, Credentials
from accounts.errors import Refusal
from accounts.models import User
from salesagg.core import trusted_request


class TokenAuth(AuthBase):
    """``Authorization: Bearer …``. Who brings a token is judged by it alone, never by a cookie that came along."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = "An API token, from the account's page, or a JSON Web Token, from `/api/auth/`."

    def __call__(self, request: HttpRequest) -> Credentials | None:
        header = trusted_request.authorization(request)
        if header is None:
            return None
        found = credentials.from_header(header)
        credentials.check_scope(request, found)
        request.user = found.user
        request.credentials = found  # type: ignore[attr-defined]
        return _counted(found)


class SessionAuth(AuthBase):
    """The session of somebody who has logged in with a browser. Changes need the header ``X-CSRFToken``."""

    openapi_type = "apiKey"
    openapi_in = "cookie"
    openapi_name = settings.SESSION_COOKIE_NAME
    openapi_description = "A browser's session. Changes need the header X-CSRFToken, as Django's pages have it."

    def __call__(self, request: HttpRequest) -> Credentials | None:
        if not isinstance(request.user, User):
            return None
        _check_csrf(request)
        return _counted(Credentials(request.user, EVERYTHING))


AUTH = [TokenAuth(), SessionAuth()]


def user_of(request: HttpRequest) -> User:
    """The caller of an operation that demands one."""
    assert isinstance(request.user, User)
    return request.user


def _counted(found: Credentials) -> Credentials:
    ratelimit.count_user(found.user)
    return found


def _check_csrf(request: HttpRequest) -> None:
    # Django looks for the token in a POST's body before it looks at the header, and so would read, by itself and into
    # temporary files, an upload that is to be stored while it is parsed. Bodies of other methods it leaves alone.
    asked = copy.copy(request)
    if asked.method == "POST":
        asked.method = "PUT"
    if _Csrf(_no_response).process_view(asked, _no_response, (), {}) is not None:
        message = _("Send the CSRF token of the page in the header X-CSRFToken, or use an API token.")
        raise Refusal("csrf_failed", message, status=403)


class _Csrf(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def _no_response(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError
