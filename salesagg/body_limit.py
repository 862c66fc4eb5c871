"""Refusing request bodies that are too large, before they are read; and leaving those of forms to Django.

Daphne spools a body whole, then copies it into memory, before any Django code runs; a view could refuse only what has
already cost its price. So the limit is set where the headers are read, whatever the URL. Daphne has no setting for it
(daphne 4.2): its request class is replaced by one that counts, by whoever loads the ASGI application.

The same class tells Twisted not to parse forms: it would do so in memory and on the event loop, for results that nobody
reads, and would refuse by itself, without a word, what it cannot parse.
"""

import json
import logging
from typing import Any

from csp.utils import build_policy
from daphne import http_protocol
from django.conf import settings
from django.template.loader import render_to_string
from twisted.internet import reactor

from accounts import logcontext, metrics

logger = logging.getLogger(__name__)

# After the refusal a client may still be sending. Closing at once would reset the connection and could destroy the
# answer on its way, so what comes is thrown away, for as long and as much as an ordinary client needs to notice.
LINGER_SECONDS = 2.0
LINGER_BODIES = 2
CODE = "body_too_large"
OPEN_GRPC_WEB_BYTES = 64 * 1024


class LimitedRequest(http_protocol.WebRequest):  # type: ignore[misc]
    """A Daphne request that answers 413 as soon as its body is known to exceed `settings.MAX_BODY_BYTES`."""

    refused = False
    received = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, parsePOSTFormSubmission=False)

    def gotLength(self, length: int | None) -> None:  # noqa: N802  (Twisted's name)
        """The headers are complete; `length` is None for a chunked body, which is then counted as it comes."""
        too_large = length is not None and length > self.limit
        super().gotLength(0 if too_large else length)
        if too_large:
            self.refuse()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802  (Twisted's name)
        self.received += len(data)
        if self.refused:
            if self.received > LINGER_BODIES * settings.MAX_BODY_BYTES:
                self.channel.transport.abortConnection()
            return
        if self.received > self.limit:
            self.refuse()
        else:
            super().handleContentChunk(data)

    @property
    def limit(self) -> int:
        """Bytes that the body may have. A gRPC-Web call without a token asks for the server's health at most."""
        is_grpc_web = (self.getHeader(b"content-type") or b"").lower().startswith(b"application/grpc-web")
        if is_grpc_web and not self.getHeader(b"authorization"):
            return min(OPEN_GRPC_WEB_BYTES, int(settings.MAX_BODY_BYTES))
        return int(settings.MAX_BODY_BYTES)

    def process(self) -> Any:
        return None if self.refused else super().process()

    def refuse(self) -> None:
        """Answer at once and end the connection."""
        self.refused = True
        request_id = logcontext.accepted((self.getHeader(logcontext.HEADER.encode()) or b"").decode("latin-1"))
        metrics.REFUSALS.labels("http", CODE).inc()
        logger.info("a body of more than %d bytes is refused", self.limit, extra={"request": request_id})
        if b"text/html" in (self.getHeader(b"accept") or b""):
            kind, body = b"text/html; charset=utf-8", render_to_string("413.html").encode()
        else:
            kind, body = b"application/problem+json", _problem(request_id, self.limit)
        transport = self.channel.transport
        transport.write(
            b"HTTP/1.1 413 Content Too Large\r\nContent-Type: %b\r\nContent-Security-Policy: %b\r\n"
            b"X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
            b"X-Request-ID: %b\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
            % (kind, build_policy().encode(), request_id.encode(), len(body), body)
        )
        reactor.callLater(LINGER_SECONDS, transport.abortConnection)


def _problem(request_id: str, limit: int) -> bytes:
    detail = f"A request may have at most {limit} bytes. Send large files in chunks to /uploads/."
    return json.dumps({"code": CODE, "detail": detail, "status": 413, "requestId": request_id}).encode()


def install() -> None:
    """Let Daphne use the request class above."""
    http_protocol.WebRequest = LimitedRequest
