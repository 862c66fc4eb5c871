"""What stands before every method: who calls, may they, and what becomes of whatever is raised.

An interceptor, so that no method can be without it. It answers every call by a handler that takes a stream of
messages: on the wire a call with one message is the same, and only such a handler can identify the caller before it
reads a message. For a method with one message gRPC itself would read and keep the message of a caller without a token.
Requests are also parsed here: gRPC would tell a client that sends garbage that we have failed.
"""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import grpc
from django.conf import settings
from django.utils.translation import gettext as _

from accounts import logcontext, ratelimit
from accounts.credentials import READ, WRITE
from reports.rpc import callers, errors, rechecking
from reports.rpc.callers import Caller, Peer
from reports.rpc.limits import Budget, Places
from reports.rpc.observing import observed
from reports.rpc.requests import ARRIVAL_SECONDS, SMALL_BYTES, OpenRequests, Requests
from reports.rpc.threads import in_thread

Context = Any
Handler = Any
Respond = Callable[[Any, Context], Awaitable[Any]]

# Of ours; whatever is not named here needs a token that may write.
READING = ("DownloadResult", "StreamResult", "GetJobStatus", "WatchJob")
# Of the libraries: they tell nobody's secrets, and probes have no token.
OPEN_TO_ALL = ("/grpc.health.v1.Health/", "/grpc.reflection.")
# The method whose messages carry a file's data.
UPLOAD = "UploadCSV"
# Calls without a token that one IP address may have open, and all addresses together: a client that balances its calls
# watches the health of each server by one such call.
OPEN_CALLS_PER_ADDRESS, OPEN_CALLS = 100, 500
# Of these, the calls whose message has not arrived: gRPC holds what has come of it, up to `MAX_BODY_BYTES`.
OPEN_READS_PER_ADDRESS, OPEN_READS = 8, 100
# Unpacked messages that all calls together may hold. Many small ones fit, and two of the largest.
MESSAGES_BYTES = 64 * 1024 * 1024


class Guard(grpc.aio.ServerInterceptor):
    def __init__(self) -> None:
        self._calls: set[asyncio.Task[Any]] = set()
        self._budget = Budget(MESSAGES_BYTES)
        self._uploads = Places(per_key=lambda: settings.GRPC_UPLOADS_PER_ACCOUNT)
        self._open_calls = Places(per_key=lambda: OPEN_CALLS_PER_ADDRESS, total=OPEN_CALLS)
        self._open_reads = Places(per_key=lambda: OPEN_READS_PER_ADDRESS, total=OPEN_READS)

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
        if handler is None:
            return None
        if method.startswith(OPEN_TO_ALL):
            return _taking_a_stream(handler, self._answering_anybody(handler, method))
        call = asyncio.current_task()
        assert call is not None
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return _taking_a_stream(handler, self._answering_callers(handler, method))

    def _answering_callers(self, handler: Handler, method: str) -> Respond:
        name = method.rpartition("/")[2]
        scope = READ if name in READING else WRITE
        limit, seconds = (settings.MAX_BODY_BYTES, None) if name == UPLOAD else (SMALL_BYTES, ARRIVAL_SECONDS)

        async def respond(raw: AsyncIterator[bytes], context: Context) -> Any:
            with observed(context, method):
                try:
                    caller = await _identify(context, scope)
                    callers.serve(caller)
                    logcontext.note(user=caller.user.pk)
                    with self._place(caller, name):
                        async with rechecking.credentials_of(caller):
                            parse = handler.request_deserializer
                            requests = Requests(raw, parse, self._budget, limit=limit, seconds=seconds)
                            return await _respond(handler, requests, context)
                except Exception as error:
                    await errors.end(context, method, error)

        return respond

    def _place(self, caller: Caller, name: str) -> AbstractContextManager[None]:
        if name != UPLOAD:
            return contextlib.nullcontext()
        message = _("You have %(limit)s uploads by gRPC under way. Wait until some have ended, then try again.")
        return self._uploads.taken(caller.user.pk, message % {"limit": settings.GRPC_UPLOADS_PER_ACCOUNT})

    def _answering_anybody(self, handler: Handler, method: str) -> Respond:
        async def respond(raw: AsyncIterator[bytes], context: Context) -> Any:
            with logcontext.about(request=logcontext.accepted(None)):
                try:
                    ip = _peer(context).ip(_metadata(context).get("x-forwarded-for", ""))
                    address = ratelimit.network_of(ip or "")
                    message = _("Too many calls without a token are open. Close some, then try again.")
                    reading = partial(self._open_reads.taken, address, message)
                    with self._open_calls.taken(address, message):
                        requests = OpenRequests(raw, handler.request_deserializer, self._budget, reading)
                        return await _respond(handler, requests, context)
                except Exception as error:
                    await errors.end(context, method, error)

        return respond


async def _respond(handler: Handler, requests: Requests, context: Context) -> Any:
    """Call the method. Return its answer, or send its answers."""
    try:
        request = requests if handler.request_streaming else await requests.only()
        if not handler.response_streaming:
            return await (handler.stream_unary or handler.unary_unary)(request, context)
        answers = (handler.stream_stream or handler.unary_stream)(request, context)
        if inspect.isawaitable(answers):
            # It sends them itself.
            await answers
            return None
        # Closed here, also when the call is cancelled while a message is on its way.
        async with contextlib.aclosing(answers) as messages:
            async for message in messages:
                await context.write(message)
        return None
    finally:
        requests.close()


def _taking_a_stream(handler: Handler, respond: Respond) -> Handler:
    """A handler that answers like `handler`, and reads no message before `respond` does."""
    make: Any = (
        grpc.stream_stream_rpc_method_handler if handler.response_streaming else grpc.stream_unary_rpc_method_handler
    )
    return make(respond, None, handler.response_serializer)


def _metadata(context: Context) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}


def _peer(context: Context) -> Peer:
    names = context.auth_context().get("x509_common_name", [])
    return Peer(context.peer(), certified=names[0].decode(errors="replace") if names else "")


async def _identify(context: Context, scope: str) -> Caller:
    return await in_thread(callers.identify, _metadata(context), _peer(context), scope=scope)
