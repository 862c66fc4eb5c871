"""The connection of a client: every request is answered, also one that is too large or malformed.

Twisted answers such a request with a bare status line or not at all. This module is the only one that uses Twisted's
private names for it.
"""

import logging
from typing import Any

from daphne import http_protocol
from twisted.web.http import HTTPChannel

from salesagg import early_answers
from salesagg.core.trusted_request import Headers, headers_of
from salesagg.early_answers import EarlyAnswer

logger = logging.getLogger(__name__)

# A request line must fit into one line of headers; a URL is refused earlier, when the headers are known, so that a
# browser gets a page. 8 KiB is what other servers and proxies take.
MAX_URL_BYTES = 8 * 1024
# What a client may still send after an early answer. More is not sent by mistake.
MAX_LINGER_BYTES = 64 * 1024 * 1024


class AnsweringChannel(HTTPChannel):  # type: ignore[misc]
    """Twisted's HTTP/1.1 channel with an answer for every request."""

    answered_early = False
    thrown_away = 0

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  (Twisted's name)
        if self.answered_early:
            self.throw_away(len(data))
        else:
            super().dataReceived(data)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: N802  (Twisted's name)
        self.answer(early_answers.HEADERS_TOO_LARGE if self.has_request_line else early_answers.URL_TOO_LONG)

    def _respondToBadRequestAndDisconnect(self) -> None:  # noqa: N802  (Twisted's name)
        self.answer(self.reason())

    def timeoutConnection(self) -> None:  # noqa: N802  (Twisted's name)
        """A connection that was idle is closed; a request that has begun is answered."""
        if self.requests and not self._handlingRequest and not self.answered_early:
            self.answer(early_answers.TIMED_OUT)
        else:
            super().timeoutConnection()

    def _send100Continue(self) -> None:  # noqa: N802  (Twisted's name)
        if not self.answered_early:
            super()._send100Continue()

    @property
    def has_request_line(self) -> bool:
        return hasattr(self, "_command")

    def reason(self) -> EarlyAnswer:
        """Why Twisted does not read on."""
        if self._receivedHeaderSize > self.totalHeadersSize:
            return early_answers.HEADERS_TOO_LARGE if self.has_request_line else early_answers.URL_TOO_LONG
        if self._receivedHeaderCount > self.maxHeaders:
            return early_answers.HEADERS_TOO_LARGE
        return early_answers.MALFORMED

    def answer(self, answer: EarlyAnswer) -> None:
        """Answer the request that is being received, and end the connection."""
        if self.answered_early:
            return
        self.answered_early = True
        self.setTimeout(None)
        self.clearLineBuffer()
        early_answers.send(self.transport, early_answers.message(answer, self.received_headers(), self.path()))

    def received_headers(self) -> Headers:
        request = self.requests[-1] if self.requests else None
        return headers_of_request(request) if request is not None else headers_of(())

    def path(self) -> str:
        return self.target().partition(b"?")[0].decode("latin-1")

    def target(self) -> bytes:
        """What the request line asks for, before Twisted has parsed the request."""
        found: bytes = getattr(self, "_path", b"")
        return found

    def method(self) -> str:
        found: bytes = getattr(self, "_command", b"")
        return found.decode("latin-1")

    def throw_away(self, size: int) -> None:
        self.thrown_away += size
        if self.thrown_away > MAX_LINGER_BYTES:
            self.transport.abortConnection()


def headers_of_request(request: Any) -> Headers:
    """The headers of one of Twisted's requests."""
    pairs = request.requestHeaders.getAllRawHeaders()
    return headers_of((name, value) for name, values in pairs for value in values)


def install() -> None:
    """Let Daphne use the channel above. It speaks HTTP/1.1, as Daphne does without the packages for HTTP/2."""
    http_protocol.HTTPFactory.protocol = AnsweringChannel
