"""`manage.py grpcserver`: gRPC from a process of its own."""

import asyncio
import logging
import os
import signal
import sys
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection, connections
from django.db.migrations.executor import MigrationExecutor

from reports import loop
from reports.rpc import server, tls
from reports.rpc.server import Server
from salesagg import exposition, starting

logger = logging.getLogger(__name__)
NOTE = (
    "Without DATABASE_URL and REDIS_URL this process is alone: workers elsewhere find its jobs only by looking every "
    "few seconds, and nothing tells it of their progress. “make run GRPC_PORT=50051” serves gRPC in the one process."
)


class Command(BaseCommand):
    help = f"Serve gRPC on GRPC_HOST and GRPC_PORT (by default {server.PORT}) until SIGTERM or SIGINT. {NOTE}"

    def handle(self, *args: Any, **options: Any) -> None:
        starting.end_at_once_at_a_signal()
        host, port = settings.GRPC_HOST, settings.GRPC_PORT or server.PORT
        starting.check_port(host, port, "GRPC_PORT=50052 python manage.py grpcserver")
        _check_database()
        if not settings.DATABASE_URL:
            self.stderr.write(NOTE)
        asyncio.run(self._serve(starting.written(host, port)))

    async def _serve(self, address: str) -> None:
        running = asyncio.get_running_loop()
        loop.use(running)
        try:
            serving = Server(address, credentials=tls.credentials())
        except (ImproperlyConfigured, RuntimeError) as error:
            raise CommandError(f"gRPC cannot listen on {address}: {error}") from error
        await serving.start()
        exposition.serve()
        self.stdout.write(f"gRPC is at {address}")
        self.stdout.flush()
        await _signal(running)
        logger.info("stopping; calls under way have %d seconds", server.STOP_SECONDS)
        await serving.stop()
        # Nothing that hangs in a thread, such as a storage that does not answer, may hold up the end.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


async def _signal(running: asyncio.AbstractEventLoop) -> None:
    """Wait for the first; the second ends the process at once."""
    came = asyncio.Event()

    def take() -> None:
        if came.is_set():
            os._exit(1)
        came.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        running.add_signal_handler(number, take)
    await came.wait()


def _check_database() -> None:
    """Raise `CommandError` when its tables are not those of this version."""
    try:
        executor = MigrationExecutor(connection)
        behind = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except OperationalError:
        # It may be away for a moment: calls are answered with UNAVAILABLE until it is back, as pages are.
        logger.warning("the database does not answer", exc_info=True)
        return
    finally:
        connections.close_all()
    if behind:
        raise CommandError("The database is not that of this version. Run: python manage.py migrate")
