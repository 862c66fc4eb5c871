"""Everything in a request line or a header that decides a URL, a limit or an identity.

A client writes the request line and every header. So each part that decides something is read here and nowhere else,
and `tests/security/test_trusted_request.py` sends what other servers believe and sees that no answer changes.

==================  ==========================================  ====================================================
decides             read from                                   believed
==================  ==========================================  ====================================================
URLs                nothing: `settings.SITE_URL` and a path     always
IP address          the connection; X-Forwarded-For, last one   the header only if `settings.BEHIND_PROXY`
scheme              the connection; X-Forwarded-Proto           the header only if `settings.BEHIND_PROXY`
host                Host                                        if `settings.ALLOWED_HOSTS` has it; never put into URLs
path                the request line                            always; no root path is taken off it
method              the request line; X-HTTP-Method-Override    the header only for POST to a tus upload
identity            Authorization, X-Session-Token, cookies     after verification; a proxy's word is never taken
page that calls     Origin                                      compared with the site's own origins
request's id        X-Request-ID                                for logs alone, if it is well-formed
form of an error    Accept, Accept-Language                     for pages; the API answers with problem+json always
==================  ==========================================  ====================================================
"""

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urljoin, urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.http.request import validate_host
from django.utils import translation
from django.utils.datastructures import CaseInsensitiveMapping

Scope = dict[str, Any]
Headers = Mapping[str, str]

API_PATH, UPLOADS_PATH = "/api/", "/uploads/"
# What the one proxy of BEHIND_PROXY sets.
FORWARDED_FOR, FORWARDED_PROTO = "X-Forwarded-For", "X-Forwarded-Proto"
_OF_THE_PROXY = frozenset((FORWARDED_FOR.lower().encode(), FORWARDED_PROTO.lower().encode()))
# A client that proves who it is sends one of these, or the session's cookie.
CREDENTIAL_HEADERS = ("Authorization", "X-Session-Token")
_ROOT_PATH = b"daphne-root-path"
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


# --- URLs


def site_url(path: str = "/") -> str:
    """The absolute URL of `path`, which begins with a slash."""
    return f"{settings.SITE_URL}{path}"


class SiteUrlMiddleware:
    """Make every absolute URL that Django and its packages build begin with `SITE_URL`.

    Django takes scheme and host from the request. The person who asks for another person's password reset chooses
    these, and the email would lead there with the key.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.build_absolute_uri = partial(_absolute_url, request)  # type: ignore[method-assign]
        return self.get_response(request)


def _absolute_url(request: HttpRequest, location: str | None = None) -> str:
    return urljoin(site_url(request.path), str(request.get_full_path() if location is None else location))


# --- Limits


def client_ip(request: HttpRequest) -> str:
    """The IP address of the client; empty where there is none, as behind a server on a Unix socket."""
    return client_ip_of(request.headers, request.META.get("REMOTE_ADDR", ""))


def client_ip_of(headers: Headers, peer: str) -> str:
    """The same from the headers and the IP address at the other end of the connection."""
    forwarded = headers.get(FORWARDED_FOR, "") if settings.BEHIND_PROXY else ""
    return _ip_in(forwarded.rpartition(",")[2].strip() or peer)


def _ip_in(text: str) -> str:
    """The IP address in `text`, which may have a port; empty if it is none."""
    for candidate in (text, urlsplit(f"//{text}").hostname if _is_authority(text) else None):
        try:
            return str(ipaddress.ip_address(candidate or ""))
        except ValueError:
            continue
    return ""


def _is_authority(text: str) -> bool:
    try:
        return urlsplit(f"//{text}").port is not None
    except ValueError:
        return False


def is_api(request: HttpRequest) -> bool:
    """Whether the request is one to the API, whose requests are counted and whose errors are problem+json."""
    return is_api_path(request.path_info)


def is_api_path(path: str) -> bool:
    return path.startswith(API_PATH)


def is_upload_path(path: str) -> bool:
    """Whether the path is one of the tus endpoint."""
    return path.startswith(UPLOADS_PATH)


# --- Identity


def authorization(request: HttpRequest) -> str | None:
    """The value of the header Authorization, which is still to be verified."""
    return request.headers.get("Authorization")


def session_token(request: HttpRequest) -> str | None:
    """The value of the header X-Session-Token, by which a program continues a login with a second step."""
    return request.headers.get("X-Session-Token")


def has_authorization(headers: Headers) -> bool:
    """Whether the request says who sends it by the header Authorization, which gRPC-Web alone takes."""
    return bool(headers.get("Authorization"))


def has_credentials(headers: Headers) -> bool:
    """Whether the request says who sends it. Whether that is true is found out later."""
    return any(headers.get(name) for name in CREDENTIAL_HEADERS) or settings.SESSION_COOKIE_NAME in _cookies(headers)


def _cookies(headers: Headers) -> Mapping[str, object]:
    try:
        return SimpleCookie(headers.get("Cookie", ""))
    except CookieError:
        return {}


def overridden_method(request: HttpRequest) -> str:
    """The method that a tus client behind an old proxy means: it sends PATCH and DELETE as POST with a header."""
    override = request.headers.get("X-HTTP-Method-Override", "").upper()
    if request.method == "POST" and override in ("PATCH", "DELETE"):
        return override
    return request.method or ""


def is_own_page(scope: Scope) -> bool:
    """Whether the page that opens a WebSocket is one of this site: its origin has the same scheme, host and port."""
    headers = headers_of_scope(scope)
    origin = _origin(headers.get("Origin", ""))
    return origin is not None and origin in _own_origins(scope, headers)


def _own_origins(scope: Scope, headers: Headers) -> set[tuple[str, str, int] | None]:
    """The origins of the site: those that settings name, and the one that was asked if the site answers to its name."""
    asked = _origin(f"{_scheme(scope, headers)}://{headers.get('Host', '')}")
    hosts = [host for host in settings.ALLOWED_HOSTS if host != "*"]
    named = {_origin(url) for url in (settings.SITE_URL, *settings.CSRF_TRUSTED_ORIGINS)}
    return named | ({asked} if asked is not None and validate_host(_bracketed(asked[1]), hosts or ["*"]) else set())


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _scheme(scope: Scope, headers: Headers) -> str:
    if settings.BEHIND_PROXY and FORWARDED_PROTO in headers:
        return headers[FORWARDED_PROTO]
    return "https" if scope.get("scheme") in ("https", "wss") else "http"


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname and port else None


# --- The form of an error


def prefers_page(request: HttpRequest) -> bool:
    """Whether an error is answered with a page. The API answers with problem+json, whatever Accept says."""
    return accepts_page(request.headers) and not is_api(request)


def accepts_page(headers: Headers) -> bool:
    return "text/html" in headers.get("Accept", "")


def language_of(headers: Headers) -> str:
    """The language of a person whose request has not been read: Django's rule, without the database."""
    request = HttpRequest()
    request.META["HTTP_ACCEPT_LANGUAGE"] = headers.get("Accept-Language", "")
    cookie = _cookies(headers).get(settings.LANGUAGE_COOKIE_NAME)
    request.COOKIES[settings.LANGUAGE_COOKIE_NAME] = getattr(cookie, "value", "")
    return translation.get_language_from_request(request)


def requested_id(headers: Headers) -> str:
    """What the request calls itself; `accounts.logcontext.accepted` takes it if it is well-formed."""
    return headers.get("X-Request-ID", "")


# --- Servers


def headers_of(pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers by name in any case; several of one name are joined by commas, as HTTP says."""
    found: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]},{value}" if name in found else value
    return CaseInsensitiveMapping(found)


def headers_of_scope(scope: Scope) -> Headers:
    return headers_of(scope["headers"])


class TrustedRequest:
    """The outermost ASGI application: what no client may decide is taken out of the scope before anything reads it.

    Failure story: Daphne takes the root path from the header Daphne-Root-Path. Django begins every URL with it, so an
    email with a password reset led to another site; and it takes it off the path, so `/x/api/` was not counted.
    """

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] in ("http", "websocket"):
            scope["root_path"] = ""
            scope["headers"] = [pair for pair in scope["headers"] if _may_be_read(pair[0].lower())]
        await self._application(scope, receive, send)


def _may_be_read(name: bytes) -> bool:
    return name != _ROOT_PATH and (settings.BEHIND_PROXY or name not in _OF_THE_PROXY)


class OwnPages:
    """The ASGI application of WebSockets: one that a page of another site opens is closed before it is accepted."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if is_own_page(scope):
            await self._application(scope, receive, send)
        else:
            await WebsocketDenier()(scope, receive, send)
