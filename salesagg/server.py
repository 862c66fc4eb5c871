"""Everything in one process: Daphne in the main thread, a Celery worker in another.

The worker's events reach browsers through the in-memory channel layer, which lives on Daphne's loop (see
`reports.loop`); no service has to be installed.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Coroutine
from typing import Any

import grpc
from celery.signals import worker_ready
from daphne.server import Server, twisted_loop
from django.conf import settings
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from reports import loop, stopping
from reports.rpc.server import Server as RpcServer
from salesagg.celery import app

logger = logging.getLogger(__name__)

# Ctrl-C must be obeyed at once. A window that is still being folded then is given up: its job goes on from the last
# checkpoint at the next start.
STOP_SECONDS = 1.0


class Rpc:
    """gRPC beside the web, on Daphne's loop, from when that runs until it ends."""

    def __init__(self, address: str, credentials: grpc.ServerCredentials | None) -> None:
        self.address = address
        self._credentials = credentials

    def begin(self) -> None:
        starting = twisted_loop.create_task(self._start())
        reactor.addSystemEventTrigger("before", "shutdown", lambda: _deferred(self._end(starting)))

    async def _start(self) -> RpcServer | None:
        try:
            server = RpcServer(self.address, credentials=self._credentials)
        except RuntimeError:
            logger.critical("gRPC cannot listen on %s", self.address, exc_info=True)
            reactor.stop()
            return None
        await server.start()
        return server

    async def _end(self, starting: "asyncio.Task[RpcServer | None]") -> None:
        server = await starting
        if server is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(server.stop(STOP_SECONDS / 2), STOP_SECONDS)


def _deferred(coroutine: Coroutine[Any, Any, None]) -> "Deferred[None]":
    """For Twisted, which then waits for it."""
    return Deferred.fromFuture(twisted_loop.create_task(coroutine))


def serve(host: str, port: int, rpc: Rpc | None = None) -> None:
    """Serve until SIGINT or SIGTERM; then end within about two seconds."""
    from salesagg.asgi import application

    loop.use(twisted_loop)
    if rpc is not None:
        reactor.callWhenRunning(rpc.begin)
    worker = app.WorkController(
        pool="solo",
        concurrency=1,
        hostname=f"worker@{socket.gethostname()}",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    thread = threading.Thread(target=worker.start, name="worker", daemon=True)
    thread.start()
    # Celery's own command tells so; a worker inside another program has to. With this the sweep begins.
    worker_ready.send(sender=worker)
    # Twisted takes SIGTERM by itself, but SIGINT only if nobody has taken it before.
    reactor.callWhenRunning(signal.signal, signal.SIGINT, reactor.sigInt)
    endpoint = f"tcp:port={port}:interface={host}"
    Server(application, endpoints=[endpoint], verbosity=1, server_name="").run()
    stopping.request()
    worker.stop()
    thread.join(STOP_SECONDS)
    if thread.is_alive():
        # Leaving through the interpreter's end would wait for the thread or tear pyarrow down under it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def address() -> str:
    return f"http://{'localhost' if settings.HOST in ('127.0.0.1', '0.0.0.0', '::') else settings.HOST}:{settings.PORT}"  # noqa: S104  (compared with)  # nosec B104
