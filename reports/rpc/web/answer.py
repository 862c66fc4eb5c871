"""What a call is answered with, as the body and the headers of an HTTP response."""

import base64
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.security import SecurityMiddleware
from grpc_status import rpc_status

from accounts import headers as accounts_headers
from accounts.errors import Refusal
from reports.rpc import errors
from reports.rpc.web import cors, frames, metadata

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
BINARY, TEXT = "application/grpc-web", "application/grpc-web-text"


class Answer:
    """Message by message, each sent at once; the status comes last, so the HTTP status is always 200."""

    def __init__(self, request: HttpRequest, send: Send) -> None:
        self._request = request
        self._send = send
        self._begun = False
        self._text = _wants_text(request)

    async def begin(self, initial: Iterable[tuple[str, str | bytes]] = ()) -> None:
        response = HttpResponse(content_type=f"{TEXT if self._text else BINARY}+proto")
        for name, value in metadata.of_answer(initial):
            response[name] = f"{response[name]},{value}" if name in response else value
        cors.add(self._request, response)
        self._begun = True
        await start(self._request, response, self._send)
        # Daphne keeps the headers until the body begins, and an upload's result may be long in coming.
        await self._send({"type": "http.response.body", "body": b"", "more_body": True})

    async def message(self, data: bytes) -> None:
        await self._write(frames.message(data))

    async def end(self, code: int, details: str, trailing: Iterable[tuple[str, str | bytes]] | None) -> None:
        if not self._begun:
            await self.begin()
        await self._write(frames.trailers(code, details, metadata.of_answer(trailing)), last=True)

    async def refuse(self, refusal: Refusal) -> None:
        """End with a refusal of the bridge's own, which looks like any of the methods'."""
        status = errors.status_of(refusal)
        await self.end(status.code, status.message, rpc_status.to_status(status).trailing_metadata)

    async def _write(self, frame: bytes, *, last: bool = False) -> None:
        # Each frame in base64 by itself, or it could not be sent before the next one is there.
        body = base64.b64encode(frame) if self._text else frame
        await self._send({"type": "http.response.body", "body": body, "more_body": not last})


def is_call(request: HttpRequest) -> bool:
    """Whether the content type is one of gRPC-Web's that we understand."""
    kind, _plus, message_kind = (request.content_type or "").lower().partition("+")
    return kind in (BINARY, TEXT) and message_kind in ("", "proto")


def is_text(request: HttpRequest) -> bool:
    return (request.content_type or "").lower().startswith(TEXT)


async def start(request: HttpRequest, response: HttpResponse, send: Send) -> None:
    """Send the headers of `response`, with those that Django gives every answer for safety."""
    SecurityMiddleware(lambda request: response).process_response(request, response)
    accounts_headers.add(response)
    headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})


def _wants_text(request: HttpRequest) -> bool:
    accepted = request.headers.get("Accept", "").lower()
    return TEXT in accepted if BINARY in accepted else is_text(request)
