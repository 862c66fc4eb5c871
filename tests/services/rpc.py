"""A program that uploads a file by gRPC, in so many calls at once, as a process of its own.

``python -m tests.services.rpc`` says "ready" when it is connected, begins at the first line of its input, and ends by
telling what was answered, as JSON.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from reports.rpc.stubs.sales_pb2 import UploadRequest
from reports.rpc.stubs.sales_pb2_grpc import SalesServiceStub

# Of a message whose data is the whole file.
ANY_LENGTH = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


@dataclass
class Rpc:
    """A client in this process, for tests that look at what each call gives."""

    address: str
    token: str

    def __post_init__(self) -> None:
        self.channel = grpc.insecure_channel(self.address)
        self.stub: Any = SalesServiceStub(self.channel)  # type: ignore[no-untyped-call]

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),)

    def call(self, method: str, request: Any, *, timeout: float = 60) -> Any:
        return getattr(self.stub, method)(request, metadata=self.metadata, timeout=timeout)

    def upload(self, messages: Iterator[UploadRequest], *, timeout: float = 60) -> Any:
        """The call, which goes on; its `result()` waits."""
        return self.stub.UploadCSV.future(messages, metadata=self.metadata, timeout=timeout)

    def close(self) -> None:
        self.channel.close()


def pieces(path: Path, size: int) -> Iterator[UploadRequest]:
    """The file in messages of `size` bytes; 0: all of it in one."""
    with path.open("rb") as file:
        name = path.name
        while data := file.read(size or -1):
            yield UploadRequest(data=data, filename=name)
            name = ""


LARGE_BYTES = 31 << 20


def refused_without_token(address: str, method: str, *, compression: grpc.Compression | None = None) -> str:
    """The status with which a large message of zeros is refused, of a caller who sends no token."""
    with grpc.insecure_channel(address, options=ANY_LENGTH, compression=compression) as channel:
        call: Any = channel.unary_unary(method)
        message = UploadRequest(data=bytes(LARGE_BYTES)).SerializeToString()
        try:
            call(message, timeout=60)
        except grpc.RpcError as error:
            return str(error.code().name)
    raise AssertionError("a call without a token was served")


def peak_bytes(pid: int) -> int:
    """The most memory that the process had so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


async def upload_all(chosen: argparse.Namespace) -> None:
    async with grpc.aio.insecure_channel(chosen.address, options=ANY_LENGTH) as channel:
        await channel.channel_ready()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        calls = (upload_once(channel, chosen) for _ in range(chosen.calls))
        print(json.dumps(await asyncio.gather(*calls)))


async def upload_once(channel: grpc.aio.Channel, chosen: argparse.Namespace) -> dict[str, Any]:
    async def messages() -> AsyncIterator[UploadRequest]:
        for message in pieces(chosen.path, chosen.message):
            yield message
            await asyncio.sleep(chosen.pause)

    stub: Any = SalesServiceStub(channel)  # type: ignore[no-untyped-call]
    began = time.perf_counter()
    answer = await stub.UploadCSV(messages(), metadata=(("authorization", f"Bearer {chosen.token}"),))
    return {"id": answer.result_id, "rows": answer.rows, "bad": answer.bad_rows, "seconds": time.perf_counter() - began}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("token")
    parser.add_argument("path", type=Path)
    parser.add_argument("--calls", type=int, default=1)
    parser.add_argument("--message", type=int, default=256 * 1024, help="its bytes; 0: all in one")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two messages")
    asyncio.run(upload_all(parser.parse_args()))


if __name__ == "__main__":
    main()
