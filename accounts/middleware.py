"""Requests in, answers out: API tokens become users, refusals become responses."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.utils import translation

from accounts import sessions, tokens
from accounts.access import unauthorized
from accounts.errors import Refusal
from accounts.models import User

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class TokenMiddleware:
    """Logs in by ``Authorization: Bearer``, for this one request and only on views that say they accept tokens.

    Such a request needs no CSRF token: a browser never adds this header by itself. A request that brings a token is
    judged by it alone, never by a session cookie that came along.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        header = request.headers.get("Authorization")
        if header is None or not getattr(view, "accepts_token", False):
            return None
        scheme, _, token = header.partition(" ")
        user = tokens.owner_of(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            return refusal_response(request, unauthorized("This API token is not valid. It may have been revoked."))
        request.user = user
        request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
        return None


class LanguageMiddleware:
    """The language that a person has chosen in the profile; `LocaleMiddleware` has asked the browser before."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        user = request.user
        if isinstance(user, User) and user.language:
            translation.activate(user.language)
            request.LANGUAGE_CODE = translation.get_language()
        return self.get_response(request)


class SessionActivityMiddleware:
    """Notes once in a while that a signed-in session is used, for the account's list of them."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.user.is_authenticated:
            sessions.note(request)
        return self.get_response(request)


class RefusalMiddleware:
    """Turns a `Refusal` into an answer: a page for people, ``application/problem+json`` (RFC 9457) for programs."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return refusal_response(request, exception) if isinstance(exception, Refusal) else None


def refusal_response(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The answer that tells `refusal`, in the form that the caller reads."""
    response: HttpResponse
    if "text/html" in request.headers.get("Accept", ""):
        response = render(request, "refusal.html", {"refusal": refusal}, status=refusal.status)
    else:
        response = JsonResponse(
            {"code": refusal.code, "detail": refusal.message, "status": refusal.status},
            status=refusal.status,
            content_type="application/problem+json",
        )
    for name, value in refusal.headers.items():
        response[name] = value
    return response
