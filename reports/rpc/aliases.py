"""Our service under other names: clients of older systems call the one they know, such as ``/csv.CsvService/…``."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

import grpc

Handler = Any


@dataclass(frozen=True)
class Called:
    """What `grpc.HandlerCallDetails` says."""

    method: str
    invocation_metadata: Any


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
        called: Any = Called(f"/{self._service}/{method}", handler_call_details.invocation_metadata)
        return await continuation(called)
