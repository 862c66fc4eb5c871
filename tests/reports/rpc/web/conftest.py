"""A browser, as the web server shows it to an ASGI application, and our bridge."""

import base64
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pytest
from asgiref.testing import ApplicationCommunicator
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from reports.rpc.web.bridge import Bridge

SALES = "/sales.v1.SalesService"


def framed(message: Message | bytes, *, flags: int = 0) -> bytes:
    data = message if isinstance(message, bytes) else message.SerializeToString()
    return struct.pack(">BI", flags, len(data)) + data


@dataclass
class Answer:
    """An HTTP response, and what gRPC-Web says in it."""

    status: int
    headers: dict[str, str]
    body: bytes
    messages: list[bytes] = field(default_factory=list)
    trailers: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> int:
        """gRPC's."""
        return int(self.trailers["grpc-status"])

    @property
    def text(self) -> str:
        return unquote(self.trailers.get("grpc-message", ""))

    @property
    def reason(self) -> str:
        """The stable code in the details."""
        found = Status()
        encoded = self.trailers["grpc-status-details-bin"]
        assert "=" not in encoded
        found.ParseFromString(base64.b64decode(encoded + "=" * (-len(encoded) % 4)))
        info = ErrorInfo()
        assert found.details[0].Unpack(info)
        return str(info.reason)


class Exchange:
    """One request and its answer, piece by piece."""

    def __init__(self, application: Any, path: str, *, method: str = "POST", **headers: str) -> None:
        named = {"host": "localhost:8000", "content-type": "application/grpc-web+proto"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in named.items() if value],
            "client": ["192.0.2.7", 50412],
        }
        make: Any = ApplicationCommunicator
        self._communicator = make(application, scope)

    async def send(self, body: bytes, *, last: bool = True) -> None:
        await self._communicator.send_input({"type": "http.request", "body": body, "more_body": not last})

    async def leave(self) -> None:
        """As a browser that closes the connection."""
        await self._communicator.send_input({"type": "http.disconnect"})

    async def next(self) -> Any:
        """What the application sends next."""
        return await self._communicator.receive_output(timeout=20)

    async def done(self) -> None:
        await self._communicator.wait(timeout=20)

    async def answer(self) -> Answer:
        begun = await self.next()
        assert begun["type"] == "http.response.start"
        headers: dict[str, str] = {}
        for name, value in begun["headers"]:
            assert name == name.lower()
            assert name not in headers
            headers[name.decode()] = value.decode()
        answer = Answer(begun["status"], headers, b"")
        text = "-text" in headers.get("content-type", "")
        while True:
            event = await self.next()
            piece = event["body"]
            answer.body += piece
            if answer.status == 200:
                read(base64.b64decode(piece, validate=True) if text else piece, answer)
            if not event.get("more_body"):
                break
        await self.done()
        return answer


def read(data: bytes, answer: Answer) -> None:
    """Read the frames in `data`."""
    assert not answer.trailers
    while data:
        flags, size = struct.unpack_from(">BI", data)
        content, data = data[5 : 5 + size], data[5 + size :]
        assert len(content) == size
        if flags == 0:
            answer.messages.append(content)
        else:
            assert flags == 0x80
            assert content.endswith(b"\r\n")
            lines = content.decode("ascii").removesuffix("\r\n").split("\r\n")
            answer.trailers = dict(line.split(":", 1) for line in lines)


@pytest.fixture
async def bridge() -> AsyncIterator[Bridge]:
    async def other(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b"another application"})

    made = Bridge(other)
    yield made
    await made.close()


@pytest.fixture
def ask(bridge: Bridge) -> Callable[..., Any]:
    """ask(path, body, **headers) -> the answer."""

    async def call(path: str, body: bytes | Message = b"", **headers: str) -> Answer:
        exchange = Exchange(bridge, path, **headers)
        await exchange.send(body if isinstance(body, bytes) else framed(body))
        return await exchange.answer()

    return call


@pytest.fixture
def bearer(token: str) -> str:
    return f"Bearer {token}"
