"""The ASGI application that answers calls of browsers, and leaves all else to the one behind it."""

import asyncio
import io
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import grpc
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.middleware.security import SecurityMiddleware
from django.utils.translation import gettext as _
from grpc_health.v1 import health

from accounts import numbers, ratelimit
from accounts.errors import Refusal
from reports.rpc import callers, observing
from reports.rpc.guard import OPEN_TO_ALL, UPLOAD
from reports.rpc.requests import SMALL_BYTES
from reports.rpc.server import SERVICE
from reports.rpc.threads import in_thread
from reports.rpc.web import cors, frames, metadata
from reports.rpc.web.answer import Answer, Send, is_call, is_text, start
from reports.rpc.web.target import Target

logger = logging.getLogger(__name__)
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Application = Callable[[Scope, Any, Any], Awaitable[None]]

_PATH = re.compile(r"/([\w.]+)/\w+", re.ASCII)
METHODS = ["POST", "OPTIONS"]


class Bridge:
    """In front of `application`; the calls go to a gRPC server in this process, see `reports.rpc.web.target`."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._target = Target()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_ours(scope["path"]):
            await self._application(scope, receive, send)
            return
        scope["salesagg.route"] = "grpc-web"
        # Of the body, which is read below, it knows nothing.
        request = ASGIRequest(scope, io.BytesIO())
        if (plain := _without_call(request)) is not None:
            await start(request, plain, send)
            await send({"type": "http.response.body", "body": plain.content})
            return
        answer = Answer(request, send)
        try:
            await self._answer(request, receive, answer)
        except _Gone:
            pass
        except Refusal as refusal:
            await answer.refuse(refusal)
        except Exception:
            logger.exception("%s failed", scope["path"])
            message = _("Something went wrong on our side. Try again later.")
            await answer.refuse(Refusal("internal", message, status=500))

    async def close(self) -> None:
        """End what was started, at the end of the process and of its loop."""
        await self._target.close()

    async def _answer(self, request: ASGIRequest, receive: Receive, answer: Answer) -> None:
        # The gRPC server cannot: to it, all calls come from here.
        await in_thread(ratelimit.count_address, request)
        name = request.scope["path"].rpartition("/")[2]
        if not request.scope["path"].startswith(OPEN_TO_ALL):
            # The gRPC server asks too, but by then the body would have been read and copied.
            await in_thread(callers.check_token, request.headers.get("Authorization"))
        seconds = metadata.timeout(request.headers.get("grpc-timeout"))
        pairs = metadata.of_request(request.scope["headers"])
        # The call is this request.
        pairs = [pair for pair in pairs if pair[0] != observing.KEY] + list(observing.trailing())
        limit = settings.MAX_BODY_BYTES if name == UPLOAD else SMALL_BYTES
        messages = await _messages(receive, text=is_text(request), limit=limit)
        # No method is known here, nor what it takes and gives: to bytes all of them are streams of messages.
        channel = await self._target.channel()
        method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(request.scope["path"])
        call = method(_taken(messages), timeout=seconds, metadata=grpc.aio.Metadata(*pairs))
        passing = asyncio.create_task(_pass(call, answer))
        leaving = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait((passing, leaving), return_when=asyncio.FIRST_COMPLETED)
            if passing.done():
                passing.result()
        finally:
            # Also when the server is stopped. A call that has ended already does not mind.
            call.cancel()
            passing.cancel()
            leaving.cancel()
            await asyncio.gather(passing, leaving, return_exceptions=True)


class _Gone(Exception):
    """The browser does not wait for an answer any more."""


async def _messages(receive: Receive, *, text: bool, limit: int) -> deque[bytes]:
    """The messages in the request's body, of which no copy is kept. Raises `Refusal` (400, 413, 501)."""
    body = bytearray()
    more = True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise _Gone
        body += event.get("body", b"")
        more = event.get("more_body", False)
        if len(body) > limit:
            message = _("A call may have at most %(limit)s. Send large files in chunks to /uploads/.")
            raise Refusal("body_too_large", message % {"limit": numbers.size(limit)}, status=413)
    return frames.messages(frames.decoded(body) if text else body)


def _taken(messages: deque[bytes]) -> Iterator[bytes]:
    """One after the other, each let go of when the next one is due: the answer may take long."""
    while messages:
        yield messages.popleft()


async def _pass(call: "grpc.aio.StreamStreamCall[bytes, bytes]", answer: Answer) -> None:
    try:
        await answer.begin(await call.initial_metadata())
        async for message in call:
            await answer.message(message)
    except grpc.aio.AioRpcError:
        # How it has ended is told below.
        pass
    code: int = (await call.code()).value[0]
    await answer.end(code, await call.details() or "", await call.trailing_metadata())


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _is_ours(path: str) -> bool:
    match = _PATH.fullmatch(path)
    return match is not None and match[1] in (SERVICE, health.SERVICE_NAME, *settings.GRPC_SERVICE_ALIASES)


def _without_call(request: HttpRequest) -> HttpResponse | None:
    """The answer to a request that is no call, or that must not become one."""
    try:
        request.get_host()
    except DisallowedHost as error:
        logging.getLogger("django.security.DisallowedHost").error("%s", error)
        return _plain(_("This site does not answer to that name. The operator can change it by ALLOWED_HOSTS."), 400)
    redirect = SecurityMiddleware(_nothing).process_request(request)
    if redirect is not None:
        return redirect
    if request.method == "OPTIONS":
        return cors.preflight(request)
    if request.method != "POST":
        text = _("This is a method for gRPC-Web clients, which call it by POST. See docs/grpc.md.")
        return HttpResponseNotAllowed(METHODS, f"{text}\n", content_type="text/plain; charset=utf-8")
    if not is_call(request):
        return _plain(
            _("The content type of a call by gRPC-Web is application/grpc-web+proto, or …-web-text+proto."), 415
        )
    return None


def _plain(text: str, status: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")


def _nothing(request: HttpRequest) -> HttpResponseBase:
    raise NotImplementedError
