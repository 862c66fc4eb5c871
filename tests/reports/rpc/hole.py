"""A connection that falls silent: open at both ends, and nothing comes through any more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Hole:
    """Forwards connections to `target`, until it swallows what comes."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._silent = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def before(cls, target: int) -> "AsyncIterator[Hole]":
        hole = cls(target)
        listening = await asyncio.start_server(hole._accept, "127.0.0.1")
        hole.port = listening.sockets[0].getsockname()[1]
        try:
            yield hole
        finally:
            listening.close()
            for task in hole._tasks:
                task.cancel()
            await asyncio.gather(*hole._tasks, return_exceptions=True)

    def swallow(self) -> None:
        self._silent = True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        for source, sink in ((reader, back), (there, writer)):
            self._tasks.add(asyncio.create_task(self._forward(source, sink)))

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if not self._silent:
                    sink.write(data)
            while self._silent:
                await asyncio.sleep(3600)
        finally:
            sink.close()
