"""Answers that the server gives by itself, before any code of Django runs: to what is too large or malformed.

An answer goes straight to the connection, which ends with it. What the client is still sending is read and thrown away
for a moment: closing at once would reset the connection and could destroy the answer on its way.

Failure story: Daphne closes a connection without an answer when the headers or the URL exceed its limits. A proxy takes
that for a web process that has failed, asks the next one and passes both over, and the site is gone.
"""

import json
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from csp.utils import build_policy
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from twisted.internet import reactor

from accounts import logcontext, metrics
from salesagg.core import trusted_request
from salesagg.core.trusted_request import Headers

logger = logging.getLogger(__name__)

# An ordinary client notices the answer, and stops sending, within this time.
LINGER_SECONDS = 2.0


@dataclass(frozen=True)
class EarlyAnswer:
    """An error that is known before the request has been read. `heading` and `advice` are for the page."""

    status: int
    code: str
    detail: str | Promise
    heading: str | Promise
    advice: str | Promise = ""
    # The number that `detail` names.
    limit: int = 0
    headers: tuple[tuple[str, str], ...] = ()


MALFORMED = EarlyAnswer(
    400,
    "bad_request",
    _("The request is not well-formed HTTP/1.1."),
    _("This request cannot be read"),
)
TIMED_OUT = EarlyAnswer(
    408,
    "request_timeout",
    _("The rest of the request did not arrive in time. Send it again."),
    _("The request did not arrive"),
)
URL_TOO_LONG = EarlyAnswer(
    414,
    "url_too_long",
    _("The URL of a request may have at most 8 KiB. Send long values in the body."),
    _("This address is too long"),
    _("The address of this page is too long. Go to the dashboard and try again from there."),
)
HEADERS_TOO_LARGE = EarlyAnswer(
    431,
    "headers_too_large",
    _("The headers of a request may have at most 16 KiB and 500 lines. Send fewer or smaller headers."),
    _("Your browser sent too much"),
    _("Your browser sent too much along with this request. Delete the cookies of this site and try again."),
)


def message(answer: EarlyAnswer, headers: Headers, path: str = "") -> bytes:
    """The whole HTTP message, in the form and the language that the client reads."""
    request_id = logcontext.accepted(trusted_request.requested_id(headers))
    metrics.REFUSALS.labels("http", answer.code).inc()
    logger.info("a request is answered with %d %s", answer.status, answer.code, extra={"request": request_id})
    with translation.override(trusted_request.language_of(headers)):
        kind, body = _body(answer, headers, path, request_id)
    return _head(answer, path, kind, request_id, len(body)) + body


def _body(answer: EarlyAnswer, headers: Headers, path: str, request_id: str) -> tuple[str, bytes]:
    if trusted_request.accepts_page(headers) and not trusted_request.is_api_path(path):
        return "text/html; charset=utf-8", render_to_string("early_answer.html", {"answer": answer}).encode()
    problem = {"code": answer.code, "detail": _filled(answer), "status": answer.status, "requestId": request_id}
    return "application/problem+json", json.dumps(problem).encode()


def _filled(answer: EarlyAnswer) -> str:
    return str(answer.detail) % {"limit": answer.limit} if answer.limit else str(answer.detail)


def _head(answer: EarlyAnswer, path: str, kind: str, request_id: str, length: int) -> bytes:
    lines = {
        "Content-Type": kind,
        "Content-Length": str(length),
        "Content-Security-Policy": build_policy(),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cache-Control": "no-store",
        logcontext.HEADER: request_id,
        "Connection": "close",
        **_tus(path),
        **dict(answer.headers),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {answer.status} {_phrase(answer.status)}\r\n{head}\r\n".encode("latin-1")


def _tus(path: str) -> dict[str, str]:
    # Here: the models that it imports need Django to be set up.
    from uploads.protocol import VERSION

    return {"Tus-Resumable": VERSION} if trusted_request.is_upload_path(path) else {}


def _phrase(status: int) -> str:
    return "Content Too Large" if status == 413 else HTTPStatus(status).phrase


def send(transport: Any, whole: bytes) -> None:
    """Send `whole`, end this half of the connection, and leave a client that does not end the other half."""
    transport.write(whole)
    if hasattr(transport, "loseWriteConnection"):
        transport.loseWriteConnection()
    reactor.callLater(LINGER_SECONDS, transport.abortConnection)


def body_too_large(limit: int) -> EarlyAnswer:
    return EarlyAnswer(
        413,
        "body_too_large",
        _("A request to this URL may have at most %(limit)s bytes. Send large files in chunks to /uploads/."),
        _("That was too much at once"),
        _(
            "Files of any size can be uploaded on the dashboard, which sends them in pieces. This page takes only little."  # noqa: E501
        ),
        limit=limit,
    )


def unauthorized(limit: int) -> EarlyAnswer:
    return EarlyAnswer(
        401,
        "unauthorized",
        _("Log in, or send a token as “Authorization: Bearer …”. A request without may have at most %(limit)s bytes."),
        _("You are not logged in"),
        _("Log in, and send it again."),
        limit=limit,
        headers=(("WWW-Authenticate", 'Bearer realm="salesagg"'),),
    )


BUSY = EarlyAnswer(
    503,
    "busy",
    _("The server is receiving as much as it can hold. Send the request again in a moment."),
    _("Not possible at this moment"),
    _("The server is receiving as much as it can hold. Try again in a moment."),
    headers=(("Retry-After", "2"),),
)
