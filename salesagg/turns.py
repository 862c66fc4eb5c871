"""How many requests a web process works on at once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Message = Mapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[dict[str, Any], Any, Send], Awaitable[None]]

# More would not be answered sooner, and PostgreSQL takes a hundred connections of all processes together.
AT_ONCE = 32
# Whether a process is alive is answered also when everything behind it hangs, and all turns with it.
AT_ANY_TIME = ("/healthz",)


class Turns:
    """An ASGI application that begins to work on `limit` requests at most; the others wait their turn.

    Django has a thread for each request, and with it a connection to the database: a burst of requests would take all
    that the database has, and be answered with errors. A turn ends when the answer begins, so that streams and
    downloads hold up nobody.
    """

    def __init__(self, application: Application, *, limit: int = AT_ONCE) -> None:
        self._application = application
        self._free = asyncio.Semaphore(limit)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        if scope.get("path") in AT_ANY_TIME:
            await self._application(scope, receive, send)
            return
        await self._free.acquire()
        has_turn = True

        def end_turn() -> None:
            nonlocal has_turn
            if has_turn:
                has_turn = False
                self._free.release()

        async def watched_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                end_turn()
            await send(message)

        try:
            await self._application(scope, receive, watched_send)
        finally:
            end_turn()
