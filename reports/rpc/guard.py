"""What stands before every method: who calls, may they, and what becomes of whatever is raised.

An interceptor, so that no method can be without it. It answers a call of any shape by a handler of the same shape.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from accounts.credentials import READ, WRITE
from reports.rpc import callers, errors
from reports.rpc.callers import Caller, Peer
from reports.rpc.threads import in_thread

Context = Any
Handler = Any

WRITING = ("UploadCSV", "CancelJob")
# Of the libraries: they tell nobody's secrets, and probes have no token.
OPEN_TO_ALL = ("/grpc.health.v1.Health/", "/grpc.reflection.")


class Guard(grpc.aio.ServerInterceptor):
    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(OPEN_TO_ALL):
            return handler
        return _guarded(handler, method)


def _guarded(handler: Handler, method: str) -> Handler:
    scope = WRITE if method.rpartition("/")[2] in WRITING else READ

    async def answer(request: Any, context: Context) -> Any:
        try:
            callers.serve(await _identify(context, scope))
            return await (handler.stream_unary or handler.unary_unary)(request, context)
        except Exception as error:
            await errors.end(context, method, error)

    async def answers(request: Any, context: Context) -> AsyncIterator[Any]:
        try:
            callers.serve(await _identify(context, scope))
            async for message in (handler.stream_stream or handler.unary_stream)(request, context):
                yield message
        except Exception as error:
            await errors.end(context, method, error)

    makers = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    make: Any = makers[handler.request_streaming, handler.response_streaming]
    behaviour = answers if handler.response_streaming else answer
    return make(behaviour, handler.request_deserializer, handler.response_serializer)


async def _identify(context: Context, scope: str) -> Caller:
    metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
    names = context.auth_context().get("x509_common_name", [])
    peer = Peer(context.peer(), certified=names[0].decode() if names else "")
    return await in_thread(callers.identify, metadata, peer, scope=scope)
