"""Refusing request bodies before they are read; and giving those that are read to the application piece by piece.

Daphne spools a body whole and then copies it into memory, before any code of Django runs; a view could refuse only what
has already cost its price. So a body is judged when the headers are complete, by the path and by what the client says
of itself, and counted as it comes. Daphne has no setting for it (daphne 4.2): its request class is replaced by one that
counts, by the module that loads the ASGI application.

The same class tells Twisted not to parse forms: it would do so in memory and on the event loop, for results that nobody
reads, and would refuse by itself, without a sentence, what it cannot parse.
"""

import io
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import IO, Any

from daphne import http_protocol
from daphne.server import Server
from django.conf import settings

from salesagg import early_answers
from salesagg.core import trusted_request
from salesagg.core.trusted_request import Headers
from salesagg.early_answers import EarlyAnswer
from salesagg.http_channel import MAX_URL_BYTES, headers_of_request

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
# The largest form or JSON without a login is that of a new password: a few hundred bytes. 64 KiB leave room for long
# names and for what browsers add, and a thousand such bodies at once are 64 MB.
ANONYMOUS_BODY_BYTES = 64 * 1024
# Bodies up to this size are not counted: log-ins and small calls are answered also while uploads have to wait.
SMALL_BODY_BYTES = ANONYMOUS_BODY_BYTES
# One IP address may hold this part of all: one client cannot make all others wait.
SHARE_OF_ONE = 2
# What the application gets of a body at a time.
PIECE_BYTES = 64 * 1024
# The scope's key for the body of a request, between the server and `BodyInPieces`.
BODY = "salesagg.body"
_SENDS_FILES = re.compile(r"/api/jobs/upload|/api/files/?")
_WITH_BODY = ("POST", "PUT", "PATCH")


class HeldBodies:
    """The bytes of all bodies that this process has received and not yet given to the application, by IP address."""

    def __init__(self) -> None:
        self.total = 0
        self.of: Counter[str] = Counter()

    def has_room(self, ip: str, size: int) -> bool:
        limit: int = settings.MAX_HELD_BODY_BYTES
        return self.total + size <= limit and self.of[ip] + size <= limit // SHARE_OF_ONE

    def add(self, ip: str, size: int) -> None:
        self.total += size
        self.of[ip] += size
        if not self.of[ip]:
            del self.of[ip]


held = HeldBodies()


class LimitedRequest(http_protocol.WebRequest):  # type: ignore[misc]
    """A Daphne request that is answered early if its body is not wanted."""

    limit = 0
    received = 0
    held_bytes = 0
    ip = ""
    content: IO[bytes]
    body: IO[bytes] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, parsePOSTFormSubmission=False)

    def gotLength(self, length: int | None) -> None:  # noqa: N802  (Twisted's name)
        """The headers are complete; `length` is None for a chunked body, which is then counted as it comes."""
        headers = headers_of_request(self)
        self.ip = trusted_request.client_ip_of(headers, getattr(self.client, "host", ""))
        self.limit = limit_of(self.channel.method(), self.channel.path(), headers)
        refusal = self.refusal(length or 0)
        super().gotLength(0 if refusal else length)
        if refusal:
            self.channel.answer(refusal)

    def refusal(self, size: int) -> EarlyAnswer | None:
        """Why a body of so many bytes, or of so many until now, is not read."""
        if len(self.channel.target()) > MAX_URL_BYTES:
            return early_answers.URL_TOO_LONG
        if size > settings.MAX_BODY_BYTES:
            return early_answers.body_too_large(settings.MAX_BODY_BYTES)
        if size > self.limit:
            return self.refusal_of_more()
        if size > SMALL_BODY_BYTES and not held.has_room(self.ip, size - self.held_bytes):
            return early_answers.BUSY
        return None

    def refusal_of_more(self) -> EarlyAnswer:
        if is_anonymous(headers_of_request(self)):
            return early_answers.unauthorized(ANONYMOUS_BODY_BYTES)
        return early_answers.body_too_large(self.limit)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802  (Twisted's name)
        if self.channel.answered_early:
            return
        self.received += len(data)
        if refusal := self.refusal(self.received):
            self.release()
            self.channel.answer(refusal)
            return
        self.hold(len(data))
        super().handleContentChunk(data)

    def process(self) -> Any:
        """Hand the request to Daphne; its body stays where it is until the application asks for it."""
        if self.channel.answered_early:
            return None
        if problem := self.problem():
            self.channel.answer(problem)
            return None
        # Daphne would take the root path of the site from it.
        self.requestHeaders.removeHeader(b"daphne-root-path")
        self.content.seek(0)
        self.body, self.content = self.content, io.BytesIO()
        if self.requestHeaders.hasHeader(b"upgrade"):
            # A socket has no body, and its end does not come by here.
            self.release()
        return super().process()

    def problem(self) -> EarlyAnswer | None:
        """What Daphne cannot serve and would answer with a page of its own, or with an error of ours."""
        protocols = self.requestHeaders.getRawHeaders(b"sec-websocket-protocol", [])
        is_readable = self.uri.startswith(b"/") and self.uri.isascii() and all(value.isascii() for value in protocols)
        return None if is_readable and headers_are_valid(self) else early_answers.MALFORMED

    def hold(self, size: int) -> None:
        self.held_bytes += size
        held.add(self.ip, size)

    def release(self) -> None:
        """The body has been given away, or nobody wants it any more."""
        held.add(self.ip, -self.held_bytes)
        self.held_bytes = 0
        if self.body is not None:
            self.body.close()

    def finish(self) -> None:
        self.release()
        super().finish()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802  (Twisted's name)
        self.release()
        super().connectionLost(reason)


def headers_are_valid(request: Any) -> bool:
    """Whether Daphne takes the headers; it would answer with a page of its own."""
    return all(
        http_protocol.HEADER_NAME_RE.fullmatch(name)
        and not any(http_protocol.INVALID_HEADER_VALUE_BYTES.intersection(value) for value in values)
        for name, values in request.requestHeaders.getAllRawHeaders()
    )


def limit_of(method: str, path: str, headers: Headers) -> int:
    """How many bytes of a body are read. Who the client is has not been verified: it has only been said."""
    if is_anonymous(headers) or method not in _WITH_BODY:
        return min(ANONYMOUS_BODY_BYTES, int(settings.MAX_BODY_BYTES))
    if trusted_request.is_upload_path(path) or _SENDS_FILES.fullmatch(path) or _is_grpc_web(headers):
        return int(settings.MAX_BODY_BYTES)
    # A form or JSON, of which Django would refuse more.
    return min(int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE), int(settings.MAX_BODY_BYTES))


def is_anonymous(headers: Headers) -> bool:
    """Whether the client does not say who it is. Cookies do not count for gRPC-Web, which any page may call."""
    if _is_grpc_web(headers):
        return not trusted_request.has_authorization(headers)
    return not trusted_request.has_credentials(headers)


def _is_grpc_web(headers: Headers) -> bool:
    return headers.get("Content-Type", "").lower().startswith("application/grpc-web")


class BodyInPieces:
    """An ASGI application that gets the body of its request from where it was received, when it asks for it."""

    def __init__(self, application: Callable[..., Awaitable[None]]) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Any) -> None:
        request = scope.pop(BODY, None)
        await self._application(scope, receive if request is None else _Pieces(request, receive), send)


class _Pieces:
    def __init__(self, request: LimitedRequest, receive: Receive) -> None:
        self._request = request
        self._receive = receive
        self._is_over = False

    async def __call__(self) -> Mapping[str, Any]:
        if self._is_over:
            return await self._receive()
        message = self._next()
        self._is_over = not message.get("more_body")
        if self._is_over:
            self._request.release()
            # Daphne's own message, of a body that is empty.
            if message["type"] == "http.request":
                await self._receive()
        return message

    def _next(self) -> Mapping[str, Any]:
        body = self._request.body
        if body is None or body.closed:
            return {"type": "http.disconnect"}
        piece = body.read(PIECE_BYTES)
        return {"type": "http.request", "body": piece, "more_body": len(piece) == PIECE_BYTES}


def install() -> None:
    """Let Daphne use the request class above, and tell the application where the body is."""
    http_protocol.WebRequest = LimitedRequest
    create_application = Server.create_application
    if not getattr(create_application, "tells_body", False):
        Server.create_application = _telling(create_application)


def _telling(create_application: Any) -> Any:
    def create_application_with_body(self: Server, protocol: Any, scope: dict[str, Any]) -> Any:
        if isinstance(protocol, LimitedRequest):
            scope[BODY] = protocol
        return create_application(self, protocol, scope)

    create_application_with_body.tells_body = True  # type: ignore[attr-defined]
    return create_application_with_body
