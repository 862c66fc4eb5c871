"""Answers go out no faster than they are taken.

Daphne hands on whatever an application sends, and what the client does not take piles up in memory: somebody who reads
a large download slowly costs as much memory as the download has (daphne 4.2, issue 170). Twisted would tell when there
is too much, to whoever registers as the producer of an answer. Here the request does, and an application that sends
waits until what it sent before is on its way. Downloads, event streams and gRPC-Web hold back then by themselves, since
each of them awaits what it sends.
"""

import asyncio
import logging
from functools import wraps
from typing import Any

from daphne import http_protocol
from daphne.server import Server

from salesagg.body_limit import LimitedRequest

logger = logging.getLogger(__name__)
# A client that takes nothing at all for so long is gone, or wants to keep us busy.
PATIENCE_SECONDS = 60.0


class PacedRequest(LimitedRequest):
    """A request whose answer waits for its client: a push producer. `taken` is set while there is room for more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.taken = asyncio.Event()
        self.taken.set()

    def handle_reply(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start" and self.channel is not None and not self.finished:
            self.registerProducer(self, True)
        super().handle_reply(message)

    def pauseProducing(self) -> None:  # noqa: N802  (Twisted's name)
        self.taken.clear()

    def resumeProducing(self) -> None:  # noqa: N802  (Twisted's name)
        self.taken.set()

    def stopProducing(self) -> None:  # noqa: N802  (Twisted's name)
        self.taken.set()

    def finish(self) -> None:
        if self.producer is self:
            self.unregisterProducer()
        self.taken.set()
        super().finish()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802  (Twisted's name)
        self.taken.set()
        super().connectionLost(reason)

    def handle_exception(self, exception: Exception) -> None:
        """Cut the connection if the application fails while it sends.

        Failure story: the store breaks off in the middle of a download. Daphne would begin a second answer, which
        raises in the loop that removes ended requests: that loop never runs again, and the client waits without an end.
        """
        if self._response_started and self.channel is not None:
            self.channel.transport.abortConnection()
        elif not self._response_started:
            super().handle_exception(exception)

    async def wait_until_taken(self) -> None:
        """Return when there is room for more, or nobody who wants it."""
        try:
            await asyncio.wait_for(self.taken.wait(), PATIENCE_SECONDS)
        except TimeoutError:
            logger.info("a client has taken nothing for %d s and is left", PATIENCE_SECONDS)
            if self.channel is not None:
                self.channel.transport.abortConnection()


def install() -> None:
    """Let Daphne use the request class above, and applications wait for it."""
    http_protocol.WebRequest = PacedRequest
    if not hasattr(Server.handle_reply, "__wrapped__"):
        Server.handle_reply = _waiting(Server.handle_reply)


def _waiting(handle_reply: Any) -> Any:
    @wraps(handle_reply)
    async def handle_reply_and_wait(self: Server, protocol: Any, message: dict[str, Any]) -> None:
        await handle_reply(self, protocol, message)
        if isinstance(protocol, PacedRequest) and not protocol.taken.is_set():
            await protocol.wait_until_taken()

    return handle_reply_and_wait
