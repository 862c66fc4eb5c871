"""The gRPC server that browsers' calls are passed to: in this process, on its loop, for it alone.

It listens on a socket in a folder that nobody else may enter, so it needs no port and no configuration. It is started
by the first call: most processes never see one.
"""

import asyncio
import contextlib
import tempfile
from pathlib import Path
from weakref import WeakKeyDictionary

import grpc

from reports.rpc.server import Server

# Whoever stops the process must not have to wait: what is under way is broken off, and given this long to be undone.
STOP_SECONDS = 1.0
OPTIONS = [
    # What passes here has been accepted by one side or the other already.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
]


class Target:
    """Gives each loop a channel to a server of its own on it: one loop a process, but for tests."""

    def __init__(self) -> None:
        self._started: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[_Running]] = WeakKeyDictionary()

    async def channel(self) -> grpc.aio.Channel:
        loop = asyncio.get_running_loop()
        started = self._started.get(loop)
        if started is None or (started.done() and (started.cancelled() or started.exception() is not None)):
            # Kept before it has begun: of two calls that come first at the same time, the other finds it.
            started = self._started[loop] = loop.create_task(_Running.start())
        return (await asyncio.shield(started)).channel

    async def close(self) -> None:
        """End this loop's server, if there is one."""
        started = self._started.pop(asyncio.get_running_loop(), None)
        if started is not None:
            await (await started).stop()


class _Running:
    def __init__(self, folder: "tempfile.TemporaryDirectory[str]") -> None:
        address = f"unix:{Path(folder.name) / 'rpc'}"
        self._folder = folder
        self._server = Server(address)
        self.channel = grpc.aio.insecure_channel(address, options=OPTIONS)

    @classmethod
    async def start(cls) -> "_Running":
        # Made with mode 0700.
        folder = tempfile.TemporaryDirectory(prefix="salesagg-")
        try:
            running = cls(folder)
            await running._server.start()
        except BaseException:
            folder.cleanup()
            raise
        return running

    async def stop(self) -> None:
        try:
            await self.channel.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._server.stop(0), STOP_SECONDS)
        finally:
            self._folder.cleanup()
