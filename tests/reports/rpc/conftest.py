"""A real server on loopback, in the test's own event loop, and a channel to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest
from channels.db import database_sync_to_async
from grpc.aio._call import _StreamRequestMixin

from reports import loop, runner
from reports.rpc.server import Server
from reports.rpc.stubs.sales_pb2_grpc import SalesServiceStub
from uploads.signals import upload_completed

in_thread: Callable[..., Any] = database_sync_to_async


class _Kept:
    """A call whose end is what its server told."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def set_internal_error(self, text: str) -> None:
        """Not taken: it would take the place of the server's."""


@pytest.fixture(autouse=True)
def refusals_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    """An asyncio client that is refused while it still sends now and then forgets why: grpc/grpc#36066."""
    original = _StreamRequestMixin._write

    async def write(call: Any, request: Any) -> None:
        if not isinstance(call._cython_call, _Kept):
            call._cython_call = _Kept(call._cython_call)
        await original(call, request)

    monkeypatch.setattr(_StreamRequestMixin, "_write", write)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    loop.use(asyncio.get_running_loop())
    started = Server("127.0.0.1:0")
    await started.start()
    yield started
    await started.stop(0)


@pytest.fixture
async def channel(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    """Our generated client."""
    return SalesServiceStub(channel)  # type: ignore[no-untyped-call]


@pytest.fixture
async def make_stub(server: Server) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """make_stub() -> a client of another server, with the settings that hold when it is made."""
    async with contextlib.AsyncExitStack() as stack:

        async def make() -> Any:
            other = Server("127.0.0.1:0")
            await other.start()
            stack.push_async_callback(other.stop, 0)
            opened = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{other.port}"))
            return SalesServiceStub(opened)  # type: ignore[no-untyped-call]

        yield make


@pytest.fixture
def auth(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata of calls of `user`."""
    return (("authorization", f"Bearer {token}"),)


@pytest.fixture
async def worker(server: Server) -> AsyncIterator[None]:
    """Files are processed as soon as they have come."""
    running = asyncio.get_running_loop()
    at_work: list[Any] = []

    def work(**kwargs: Any) -> None:
        at_work.append(asyncio.run_coroutine_threadsafe(in_thread(runner.run_all)(), running))

    upload_completed.connect(work)
    yield
    upload_completed.disconnect(work)
    await asyncio.gather(*map(asyncio.wrap_future, at_work))
