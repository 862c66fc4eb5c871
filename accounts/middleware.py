"""Requests in, answers out: tokens become users, addresses have limits, HEAD is answered, refusals become responses."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from allauth.core.exceptions import ReauthenticationRequired
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import gettext_lazy

from accounts import audit, credentials, logcontext, origins, ratelimit, reauthentication, sessions
from accounts.errors import Refusal
from accounts.models import User
from salesagg.core import trusted_request

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class TokenMiddleware:
    """Logs in by ``Authorization: Bearer``, for this one request and only on views that say they accept tokens. (The
    operations of the API do so by themselves, see `accounts.api.auth`.)

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
        header = trusted_request.authorization(request)
        if header is None or not getattr(view, "accepts_token", False):
            return None
        try:
            found = credentials.from_header(header)
            credentials.check_scope(request, found)
        except Refusal as refusal:
            return refusal_response(request, _counted(request, refusal))
        request.user = found.user
        request.credentials = found  # type: ignore[attr-defined]
        request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
        return None


def _counted(request: HttpRequest, refusal: Refusal) -> Refusal:
    """What is refused counts for the address, also where what is served does not: nobody guesses without end."""
    try:
        ratelimit.count_address(request)
    except Refusal as too_many:
        return too_many
    return refusal


class AuditMiddleware:
    """Says whose acts are noted while a request is served; see `accounts.audit`."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with audit.serving(lambda: origins.of(request)):
            return self.get_response(request)


class AddressLimitMiddleware:
    """So many requests a minute to the API from one address, whoever sends them; see `accounts.ratelimit`."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if trusted_request.is_api(request):
            try:
                ratelimit.count_address(request)
            except Refusal as refusal:
                return refusal_response(request, refusal)
        return self.get_response(request)


class HeadMiddleware:
    """Answers HEAD in the API as it would GET; the server sends the headers alone. Operations name GET only."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method != "HEAD" or not trusted_request.is_api(request):
            return self.get_response(request)
        request.method = "GET"
        response = self.get_response(request)
        request.method = "HEAD"
        if isinstance(response, StreamingHttpResponse):
            # Nobody waits for it: not for a file to be read, and not for a job to end.
            response.streaming_content = _Nothing()
        return response


class _Nothing:
    """What is streamed then. Under ASGI Django wants it asynchronous."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration


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

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        if isinstance(exception, ReauthenticationRequired):
            # Pages of allauth raise it. Its own middleware would keep the form, passwords included, in the session.
            try:
                return reauthentication.ask(request)
            except Refusal as refusal:
                return refusal_response(request, refusal)
        return refusal_response(request, exception) if isinstance(exception, Refusal) else None


class ApiErrorMiddleware:
    """Answers every error of the API as a problem, whatever the client accepts: Django answers some with pages.

    Outermost, since some of them come from other middleware, such as that of a host that is not allowed.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code in _WORDS and trusted_request.is_api(request) and _is_page(response):
            # Of an address that is none, or a method that it has not: Django's answers are pages.
            code, detail = _WORDS[response.status_code]
            problem = problem_response(response.status_code, code, str(detail), request_id=_id_of(response))
            # What inner middleware has added to the page: security headers, language, the request's id.
            for name in response.headers.keys() - problem.headers.keys() - _OF_THE_BODY:
                problem[name] = response[name]
            if "Allow" in response.headers:
                methods = set(response["Allow"].split(", "))
                problem["Allow"] = ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
            return problem
        return response


_WORDS = {
    400: ("bad_request", gettext_lazy("The request cannot be read.")),
    403: ("forbidden", gettext_lazy("This is not allowed.")),
    404: ("not_found", gettext_lazy("There is nothing at this address. See /api/docs.")),
    405: ("method_not_allowed", gettext_lazy("This address has no such method. See /api/docs.")),
}


_OF_THE_BODY = {"Content-Length", "Content-Encoding", "ETag"}


def _id_of(response: HttpResponseBase) -> str:
    return response.headers.get(logcontext.HEADER, "")


def _is_page(response: HttpResponseBase) -> bool:
    return response.headers.get("Content-Type", "").startswith("text/html")


def refusal_response(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The answer that tells `refusal`, in the form that the caller reads."""
    response: HttpResponse
    if trusted_request.prefers_page(request):
        page = render(request, "refusal.html", {"refusal": refusal}, status=refusal.status)
        response = _marked(page, refusal.code)
    else:
        response = problem_response(refusal.status, refusal.code, refusal.message)
    for name, value in refusal.headers.items():
        response[name] = value
    return response


def problem_response(
    status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None, *, request_id: str = ""
) -> HttpResponse:
    """An error for programs (RFC 9457). It names the request that is served, or `request_id`."""
    problem: dict[str, Any] = {"code": code, "detail": detail, "status": status}
    if request_id := request_id or logcontext.request_id():
        problem["requestId"] = request_id
    if errors:
        problem["errors"] = errors
    # Some statuses could be kept by a cache that is told nothing; what is refused now may be served in a moment.
    headers = {"Cache-Control": "no-store"}
    response = JsonResponse(problem, status=status, headers=headers, content_type="application/problem+json")
    return _marked(response, code)


def _marked(response: HttpResponse, code: str) -> HttpResponse:
    """For `accounts.observing`, which counts refusals by their codes."""
    response.refused_as = code  # type: ignore[attr-defined]
    return response
