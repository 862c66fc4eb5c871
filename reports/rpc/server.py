"""The gRPC server: what it listens on, what it allows, and how it stops."""

import grpc
from django.conf import settings
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection

from reports.rpc import threads
from reports.rpc.aliases import Aliases
from reports.rpc.guard import Guard
from reports.rpc.health import Health
from reports.rpc.requests import COMPRESSION
from reports.rpc.service import SalesService
from reports.rpc.stubs import sales_pb2, sales_pb2_grpc

SERVICE: str = sales_pb2.DESCRIPTOR.services_by_name["SalesService"].full_name
# The customary one, when the settings name none.
PORT = 50051
# Uploads that are under way may go on for so long after a signal to stop.
STOP_SECONDS = 10.0
OPTIONS: dict[str, int] = {
    # Or a second server would share the port in silence.
    "grpc.so_reuseport": 0,
    # Clients that are gone without a word are noticed within a minute (by default two hours), and what they have begun
    # is taken back. The pings also keep alive what looks idle to the routers and proxies on the way: an upload that
    # waits for its result. (`grpc.keepalive_timeout_ms` ends nothing in this version; the timeout of all pings does.)
    "grpc.keepalive_time_ms": 30_000,
    "grpc.http2.ping_timeout_ms": 20_000,
    "grpc.keepalive_permit_without_calls": 1,
    # Clients may ping as well. By default those that do so more often than every five minutes are cut off.
    "grpc.http2.min_ping_interval_without_data_ms": 10_000,
    # Of one connection; further calls wait at the client. Large, since a proxy brings all its clients by a few.
    "grpc.max_concurrent_streams": 1000,
    # Then a client connects anew for its next call, and a balancer may lead it to a server that was added meanwhile.
    # Calls under way go on where they are for as long as they take.
    "grpc.max_connection_age_ms": 30 * 60_000,
    # What of a call may have come before we read it. By default gRPC finds out by itself what the connection is good
    # for, and takes a server that is busy for a long way: fifty uploads then took twice the memory, and no less time.
    "grpc.http2.bdp_probe": 0,
    "grpc.http2.lookahead_bytes": 256 * 1024,
    # Calls that the process has not begun to serve, as when it is busy; by default one to three thousand.
    "grpc.server.max_pending_requests": 200,
    "grpc.server.max_pending_requests_hard_limit": 400,
    # A connection that carries no call is closed, and its client connects again for its next call.
    "grpc.max_connection_idle_ms": 5 * 60_000,
    # A connection that does not say within this time what it is; by default two minutes.
    "grpc.server_handshake_timeout_ms": 20_000,
    "grpc.max_allowed_incoming_connections": 2000,
    **COMPRESSION,
}
# Calls of all connections together. Before a caller is known gRPC holds up to `grpc.http2.lookahead_bytes` of a call.
# So calls without a token can never take more than half a gigabyte, even while the database does not answer.
CALLS = 2000


class Server:
    """A server on `address`, such as ``127.0.0.1:50051`` or ``unix:/run/salesagg.sock``; on port 0 it takes a free one.

    To be made, started and stopped on one event loop. Raises `RuntimeError` when it cannot listen there.
    """

    def __init__(self, address: str, *, credentials: grpc.ServerCredentials | None = None) -> None:
        aliases = settings.GRPC_SERVICE_ALIASES
        self._guard = Guard()
        self._server = grpc.aio.server(
            interceptors=[Aliases(aliases, SERVICE), self._guard],
            options=[*OPTIONS.items(), ("grpc.max_receive_message_length", settings.MAX_BODY_BYTES)],
            maximum_concurrent_rpcs=CALLS,
        )
        self._sales = SalesService()
        self._health = Health(("", SERVICE, *aliases))
        sales_pb2_grpc.add_SalesServiceServicer_to_server(self._sales, self._server)  # type: ignore[no-untyped-call]
        add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((SERVICE, HEALTH, reflection.SERVICE_NAME), self._server)
        self.port: int = (
            self._server.add_secure_port(address, credentials)
            if credentials is not None
            else self._server.add_insecure_port(address)
        )

    async def start(self) -> None:
        await self._server.start()

    async def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Take no new calls, end those that only wait, and give the others so long to end by themselves."""
        self._health.stop()
        self._sales.stop()
        await self._server.stop(seconds)
        await self._guard.all_ended()
        await threads.settled()
