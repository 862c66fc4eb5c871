"""Around all that a web process serves: an id for each request, a line in the log, and figures.

Outermost, so that it sees what never reaches Django: browsers' calls of gRPC, sockets, and the time that a request
waits for its turn. Daphne's own access log, which has whole addresses with all that stands after the question mark, is
off.
"""

import logging
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from daphne import access, cli
from django.conf import settings

from accounts import logcontext, metrics, spans
from accounts.observing import surface_of
from salesagg.core import trusted_request

logger = logging.getLogger("salesagg.access")
Message = Mapping[str, Any]
Scope = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Any, Send], Awaitable[None]]

# What probes ask for every few seconds is worth a line only when it fails.
QUIET = ("/healthz", "/readyz", "/metrics")
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_HEADER = logcontext.HEADER.lower().encode()


class Observed:
    """`application`, observed."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
            return
        given = trusted_request.requested_id(trusted_request.headers_of_scope(scope))
        observe = _Request if scope["type"] == "http" else _Socket
        with logcontext.about(request=logcontext.accepted(given)), spans.request(scope["headers"]) as span:
            seen = observe(scope, send)
            try:
                await self._application(scope, receive, seen.send)
            except BaseException as error:
                seen.failed = isinstance(error, Exception)
                raise
            finally:
                seen.end()
                if span is not None:
                    span.update_name(f"{scope.get('method', 'WEBSOCKET')} {scope.get('salesagg.route', '')}".strip())
                    span.set_attributes({**spans.described(), "http.response.status_code": seen.status})


class _Request:
    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._began = time.perf_counter()
        self._seconds = 0.0
        self.status = self._bytes = 0
        self.failed = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self._seconds = message["status"], time.perf_counter() - self._began
            headers = list(message.get("headers", []))
            if not any(name.lower() == _HEADER for name, _value in headers):
                message = {**message, "headers": [*headers, (_HEADER, logcontext.request_id().encode())]}
        else:
            self._bytes += len(message.get("body", b""))
        await self._send(message)

    def end(self) -> None:
        scope, path = self._scope, self._scope["path"]
        # Without an answer: Daphne tells of a failure, or nobody waited for one any more.
        status = self.status or (500 if self.failed else 499)
        seconds = self._seconds or time.perf_counter() - self._began
        route = scope.get("salesagg.route") or ("static" if path.startswith(f"/{settings.STATIC_URL}") else "none")
        method = scope["method"] if scope["method"] in METHODS else "other"
        metrics.HTTP_REQUESTS.labels(method, route, f"{status // 100}xx").inc()
        metrics.HTTP_SECONDS.labels(route).observe(seconds)
        if self.failed and not self.status:
            metrics.ERRORS.labels(surface_of(path)).inc()
        if settings.ACCESS_LOG and not (path in QUIET and status < 400):
            _tell(scope["method"], scope.get("salesagg.path") or path, status, self._began, self._bytes)


class _Socket:
    """A WebSocket. Its line comes at its end."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._began = time.perf_counter()
        self._bytes = 0
        self.status = 101
        self.failed = False
        metrics.WEBSOCKETS.inc()

    async def send(self, message: Message) -> None:
        if message["type"] == "websocket.close":
            self.status = message.get("code") or 1000
        self._bytes += len(message.get("text") or message.get("bytes") or b"")
        await self._send(message)

    def end(self) -> None:
        metrics.WEBSOCKETS.dec()
        if settings.ACCESS_LOG:
            _tell("WEBSOCKET", self._scope["path"], self.status, self._began, self._bytes)


def _tell(method: str, path: str, status: int, began: float, size: int) -> None:
    milliseconds = round((time.perf_counter() - began) * 1000, 1)
    facts = {"method": method, "path": path, "status": status, "ms": milliseconds, "bytes": size}
    logger.info("%s %s %s %s ms %s bytes", *facts.values(), extra=facts)


def install() -> None:
    """Let Daphne's command write its access log only to where it was told to (``--access-log``)."""
    # Daphne has no setting for it but its verbosity, and calls this after it has loaded the application.
    cli.AccessLogGenerator = lambda stream: None if stream is sys.stdout else access.AccessLogGenerator(stream)
