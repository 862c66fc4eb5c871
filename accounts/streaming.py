"""Sending files to people, piece by piece."""

import io
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, ParamSpec, TypeVar

from asgiref.sync import SyncToAsync, sync_to_async
from django.db import close_old_connections, connections
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header

P = ParamSpec("P")
T = TypeVar("T")

CHUNK_BYTES = 256 * 1024
# Pieces of all downloads of a process that are read or made at a time. Every download waits in the same queue for its
# next piece, so many large ones neither take all cores nor the threads in which other requests are served.
AT_ONCE = 4
_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="download")


def attachment(file: "IO[bytes] | Any", *, size: int | None, filename: str, content_type: str) -> StreamingHttpResponse:
    """`file` as a download that nobody keeps a copy of; it is closed with the response. `size` is its length in bytes,
    None where that is known only at its end."""
    response = stream(_pieces(file), file.close, filename=filename, content_type=content_type)
    if size is not None:
        response["Content-Length"] = str(size)
    return response


def awaited(
    open_file: Callable[[], Awaitable[IO[bytes]]], *, filename: str, content_type: str
) -> StreamingHttpResponse:
    """A download whose file is not there yet: the response begins at once and waits in `open_file` without a thread.
    If `open_file` raises, the connection is cut, so that no client takes the download for complete."""
    return _response(_Awaited(open_file), filename=filename, content_type=content_type)


def stream(
    pieces: Iterator[bytes], close: Callable[[], None], *, filename: str, content_type: str
) -> StreamingHttpResponse:
    """A download of a size that is known only at its end. `close` is called with the response, also when nobody has
    read it."""
    return _response(_Body(pieces, close), filename=filename, content_type=content_type)


def without_body(request: HttpRequest | None, response: StreamingHttpResponse) -> StreamingHttpResponse:
    """The response to HEAD: with the same headers, and without any work for a body that is not sent."""
    if request is not None and request.META["REQUEST_METHOD"] == "HEAD":
        response.streaming_content = _Body(iter(()), lambda: None)
    return response


def as_file(pieces: Iterator[bytes]) -> IO[bytes]:
    """`pieces`, which are made one by one, as a file that is read from its beginning to its end."""
    return io.BufferedReader(_Made(pieces), CHUNK_BYTES)


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `function`, which waits for the storage, returns or raises."""
    return await sync_to_async(function, thread_sensitive=False, executor=_threads)(*args, **kwargs)


async def release_request_thread() -> None:
    """Give back the thread that Django keeps for a request until its response has been sent, and the connection to the
    database with it: a response that lasts needs neither. Django makes another thread at the end."""
    await sync_to_async(close_old_connections)()
    context = SyncToAsync.thread_sensitive_context.get(None)
    executor = SyncToAsync.context_to_thread_executor.pop(context, None) if context else None
    if executor is not None:
        executor.shutdown(wait=False)


def _response(body: "_Body", *, filename: str, content_type: str) -> StreamingHttpResponse:
    headers = {
        "Content-Disposition": content_disposition_header(True, filename) or "attachment",
        "Cache-Control": "private, no-store",
    }
    return StreamingHttpResponse(body, content_type=content_type, headers=headers)


class _Body:
    """What is sent. Under ASGI Django would read what is iterated synchronously into memory first; it calls `close`
    when the response is over. A slow client costs a connection and one piece, and neither thread nor database."""

    def __init__(self, pieces: Iterator[bytes], close: Callable[[], None]) -> None:
        self._source = pieces
        self._close = close
        self._reading = threading.Lock()

    def close(self) -> None:
        """Failure story: a client leaves while a thread makes the next piece. A generator cannot be closed before that
        thread is done with it."""
        with self._reading:
            self._close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await release_request_thread()
        # The headers leave now, however long the first piece takes.
        yield b""
        while (piece := await self._pull()) is not None:
            yield piece

    async def _pull(self) -> bytes | None:
        return await in_thread(self._next)

    def _next(self) -> bytes | None:
        try:
            with self._reading:
                return next(self._source, None)
        finally:
            # A piece is made in whichever thread is free, and nobody else would close that thread's connection.
            connections.close_all()


class _Awaited(_Body):
    def __init__(self, open_file: Callable[[], Awaitable[IO[bytes]]]) -> None:
        super().__init__(iter(()), self._close_file)
        self._open = open_file
        self._file: IO[bytes] | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await release_request_thread()
        yield b""
        self._file = await self._open()
        self._source = _pieces(self._file)
        while (piece := await self._pull()) is not None:
            yield piece

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()


class _Made(io.RawIOBase):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def close(self) -> None:
        close = getattr(self._pieces, "close", None)
        if close is not None and not self.closed:
            close()
        super().close()


def _pieces(file: "IO[bytes] | Any") -> Iterator[bytes]:
    while data := file.read(CHUNK_BYTES):
        yield data
