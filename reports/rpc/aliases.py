"""Our service under other names: clients of older systems call the one they know, such as ``/csv.CsvService/…``."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any

import grpc

Handler = Any


class Aliases(grpc.aio.ServerInterceptor):
    """The first of all, so that whatever follows knows our own name alone."""

    def __init__(self, names: Collection[str], service: str) -> None:
        self._names = frozenset(names)
        self._service = service

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        service, _slash, method = handler_call_details.method.removeprefix("/").rpartition("/")
        if service not in self._names:
            return await continuation(handler_call_details)
        # gRPC takes nothing but its own class, which has no public name.
        called: Any = type(handler_call_details)
        metadata = handler_call_details.invocation_metadata
        return await continuation(called(f"/{self._service}/{method}", metadata))
