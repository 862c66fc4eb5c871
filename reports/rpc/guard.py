"""What stands before every method: who calls, may they, and what becomes of whatever is raised.

An interceptor, so that no method can be without it. It answers a call of any shape by a handler of the same shape.
Requests are read here, not by gRPC, which would tell a client that sends garbage that we have failed.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from django.utils.translation import gettext as _
from google.protobuf.message import DecodeError

from accounts import logcontext
from accounts.credentials import READ, WRITE
from reports.rpc import callers, errors
from reports.rpc.callers import Caller, Peer
from reports.rpc.errors import Invalid
from reports.rpc.observing import observed
from reports.rpc.threads import in_thread

Context = Any
Handler = Any

# Of ours; whatever is not named here needs a token that may write.
READING = ("DownloadResult", "StreamResult", "GetJobStatus", "WatchJob")
# Of the libraries: they tell nobody's secrets, and probes have no token.
OPEN_TO_ALL = ("/grpc.health.v1.Health/", "/grpc.reflection.")


class Guard(grpc.aio.ServerInterceptor):
    def __init__(self) -> None:
        self._calls: set[asyncio.Task[Any]] = set()

    async def all_ended(self) -> None:
        """Wait until all calls have ended, those too that were cancelled and are taking something back."""
        while self._calls:
            await asyncio.wait(self._calls)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(OPEN_TO_ALL):
            return handler
        call = asyncio.current_task()
        assert call is not None
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return _guarded(handler, method)


def _guarded(handler: Handler, method: str) -> Handler:
    scope = READ if method.rpartition("/")[2] in READING else WRITE
    reader = _Requests if handler.request_streaming else _parsed

    async def answer(request: Any, context: Context) -> Any:
        with observed(context, method):
            try:
                await _serve(context, scope)
                read = reader(request, handler.request_deserializer)
                return await (handler.stream_unary or handler.unary_unary)(read, context)
            except Exception as error:
                await errors.end(context, method, error)

    async def answers(request: Any, context: Context) -> None:
        with observed(context, method):
            try:
                await _serve(context, scope)
                read = reader(request, handler.request_deserializer)
                behave = handler.stream_stream or handler.unary_stream
                # Closed here, also when the call is cancelled while a message is on its way.
                async with contextlib.aclosing(behave(read, context)) as messages:
                    async for message in messages:
                        await context.write(message)
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
    return make(behaviour, None, handler.response_serializer)


class _Requests:
    """The messages of a stream, read."""

    def __init__(self, raw: AsyncIterator[bytes], parse: Callable[[bytes], Any]) -> None:
        self._raw = raw
        self._parse = parse

    def __aiter__(self) -> "_Requests":
        return self

    async def __anext__(self) -> Any:
        return _parsed(await anext(self._raw), self._parse)


def _parsed(raw: bytes, parse: Callable[[bytes], Any]) -> Any:
    """Raises `Refusal` (400)."""
    try:
        return parse(raw)
    except DecodeError:
        message = _("This is no message of ours. Make your client from sales.proto.")
        raise Invalid("bad_message", message, "") from None


async def _serve(context: Context, scope: str) -> None:
    caller = await _identify(context, scope)
    callers.serve(caller)
    logcontext.note(user=caller.user.pk)


async def _identify(context: Context, scope: str) -> Caller:
    metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
    names = context.auth_context().get("x509_common_name", [])
    peer = Peer(context.peer(), certified=names[0].decode(errors="replace") if names else "")
    return await in_thread(callers.identify, metadata, peer, scope=scope)
