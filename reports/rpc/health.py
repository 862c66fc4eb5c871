"""The health that load balancers ask for: whether this server takes calls. Not whether what is behind it does its work:
a broken database is no reason to restart this, or to send clients elsewhere, where it is the same one.

The library's own would not let go of those who watch when the server stops, and they would hold it up to the last.
"""

import asyncio
from collections.abc import Collection
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer


class Health(HealthServicer):
    """Of `services`; an empty name is the whole server's."""

    def __init__(self, services: Collection[str]) -> None:
        self._services = frozenset(services)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Say from now on that no calls are taken."""
        self._stopping.set()

    async def Check(self, request: HealthCheckRequest, context: Any) -> HealthCheckResponse:  # noqa: N802
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such service here.")
        return self._answer(request)

    async def Watch(self, request: HealthCheckRequest, context: Any) -> None:  # noqa: N802
        # Asked before the first answer is sent: the server may be told to stop while it is on its way.
        was_stopping = self._stopping.is_set()
        await context.write(self._answer(request))
        if not was_stopping:
            await self._stopping.wait()
            await context.write(self._answer(request))

    def _answer(self, request: HealthCheckRequest) -> HealthCheckResponse:
        if request.service not in self._services:
            return HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN)
        stopping = self._stopping.is_set()
        return HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING if stopping else HealthCheckResponse.SERVING)
