"""The gRPC server: what it listens on, what it allows, and how it stops."""

from pathlib import Path

import grpc
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from reports.rpc import receiving
from reports.rpc.guard import Guard
from reports.rpc.service import SalesService
from reports.rpc.stubs import sales_pb2, sales_pb2_grpc

SERVICE: str = sales_pb2.DESCRIPTOR.services_by_name["SalesService"].full_name
# The customary one, when the settings name none.
PORT = 50051
# Uploads that are under way may go on for so long after a signal to stop.
STOP_SECONDS = 10.0


class Server:
    """A server on `address`, such as ``127.0.0.1:50051`` or ``unix:/run/salesagg.sock``; on port 0 it takes a free one.

    To be made, started and stopped on one event loop.
    """

    def __init__(self, address: str, *, credentials: grpc.ServerCredentials | None = None) -> None:
        options = [
            ("grpc.max_receive_message_length", settings.MAX_BODY_BYTES),
            # Or a second server would share the port in silence.
            ("grpc.so_reuseport", 0),
        ]
        self._server = grpc.aio.server(interceptors=[Guard()], options=options)
        self._sales = SalesService()
        self._health = health.aio.HealthServicer()
        sales_pb2_grpc.add_SalesServiceServicer_to_server(self._sales, self._server)  # type: ignore[no-untyped-call]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        self.port: int = (
            self._server.add_secure_port(address, credentials)
            if credentials is not None
            else self._server.add_insecure_port(address)
        )

    async def start(self) -> None:
        await self._server.start()
        for name in ("", SERVICE):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Take no new calls, end those that only wait, and give the others so long to end by themselves."""
        await self._health.enter_graceful_shutdown()
        self._sales.stop()
        await self._server.stop(seconds)
        await receiving.settled()


def tls() -> grpc.ServerCredentials | None:
    """What the settings say about encryption; with an authority for clients, only its clients may connect."""
    if not settings.GRPC_TLS_CERTIFICATE:
        if settings.GRPC_TLS_KEY or settings.GRPC_TLS_CLIENT_CA:
            raise ImproperlyConfigured("Set GRPC_TLS_CERTIFICATE too, with GRPC_TLS_KEY.")
        return None
    pair = Path(settings.GRPC_TLS_KEY).read_bytes(), Path(settings.GRPC_TLS_CERTIFICATE).read_bytes()
    authority = Path(settings.GRPC_TLS_CLIENT_CA).read_bytes() if settings.GRPC_TLS_CLIENT_CA else None
    return grpc.ssl_server_credentials([pair], authority, require_client_auth=authority is not None)
