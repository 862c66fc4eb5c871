"""Sending files to people, piece by piece."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import IO, Any

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

CHUNK_BYTES = 256 * 1024


def attachment(file: "IO[bytes] | Any", *, size: int, filename: str, content_type: str) -> StreamingHttpResponse:
    """`file` of `size` bytes as a download that nobody keeps a copy of; it is closed with the response."""
    response = stream(_pieces(file), file.close, filename=filename, content_type=content_type)
    response["Content-Length"] = str(size)
    return response


def stream(
    pieces: Iterator[bytes], close: Callable[[], None], *, filename: str, content_type: str
) -> StreamingHttpResponse:
    """A download of a size that is known only at its end. `close` is called with the response, also when nobody has
    read it."""
    headers = {
        "Content-Disposition": content_disposition_header(True, filename) or "attachment",
        "Cache-Control": "private, no-store",
    }
    return StreamingHttpResponse(_Body(pieces, close), content_type=content_type, headers=headers)


class _Body:
    """Under ASGI Django would read what is iterated synchronously into memory first. It calls `close`, if there is one,
    when the response is over."""

    def __init__(self, pieces: Iterator[bytes], close: Callable[[], None]) -> None:
        self._pull = sync_to_async(lambda: next(pieces, None), thread_sensitive=False)
        self.close = close

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._pull()) is not None:
            yield piece


def _pieces(file: "IO[bytes] | Any") -> Iterator[bytes]:
    while data := file.read(CHUNK_BYTES):
        yield data
