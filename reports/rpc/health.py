"""The health that load balancers ask for: whether this server takes calls. Not whether what is behind it does its work:
a broken database is no reason to restart this, or to send clients elsewhere, where it is the same one."""

import asyncio
from typing import Any

from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

SERVICE: str = health.SERVICE_NAME


class Health(health.aio.HealthServicer):
    """The library's, except that whoever watches is let go when the server stops: they would hold it up to the last."""

    def __init__(self) -> None:
        super().__init__()
        self._stopping = asyncio.Event()

    async def stop(self) -> None:
        await self.enter_graceful_shutdown()
        self._stopping.set()

    async def Watch(self, request: HealthCheckRequest, context: Any) -> None:  # noqa: N802
        tasks = [asyncio.ensure_future(super().Watch(request, context)), asyncio.ensure_future(self._stopping.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        # It may have been let go before it told so.
        await context.write(HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING))
