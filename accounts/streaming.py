"""Sending files to people, piece by piece."""

from collections.abc import AsyncIterator
from typing import IO

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

CHUNK_BYTES = 256 * 1024


def attachment(file: IO[bytes], *, size: int, filename: str, content_type: str) -> StreamingHttpResponse:
    """`file` as a download that nobody keeps a copy of. It is closed when its last byte has been sent."""
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": content_disposition_header(True, filename) or "attachment",
        "Cache-Control": "private, no-store",
    }
    return StreamingHttpResponse(_chunks(file), content_type=content_type, headers=headers)


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    """Under ASGI Django would read a file that is iterated synchronously into memory first."""
    read = sync_to_async(file.read, thread_sensitive=False)
    with file:
        while data := await read(CHUNK_BYTES):
            yield data
