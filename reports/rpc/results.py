"""What a job ended in, as the bytes of messages."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator

from django.utils.translation import gettext as _

from accounts import numbers, streaming
from accounts.errors import Refusal
from reports import downloads
from reports.models import Job
from reports.rpc.threads import in_thread
from reports.signed import ERRORS_FILE

DEFAULT_FILE = "result.csv"
# What clients of every language accept unless they are told to accept more: 4 MiB, the message's own frame included.
MAX_WHOLE_BYTES = 4 * 1024 * 1024 - 1024


def whole(job: Job, file: str) -> bytes:
    """All of the download `file` of `job`, for one message. Raises `Refusal` (404, 409, 413)."""
    pieces, close = _open(job, file)
    data = bytearray()
    try:
        for piece in pieces:
            data += piece
            if len(data) > MAX_WHOLE_BYTES:
                message = _(
                    "The file has more than the %(limit)s that a message may have. Use StreamResult, or the download "
                    "addresses that GetJobStatus tells."
                )
                limit = numbers.size(MAX_WHOLE_BYTES)
                raise Refusal("result_too_large", message % {"limit": limit}, status=413)
    finally:
        close()
    return bytes(data)


async def pieces(job: Job, file: str) -> AsyncGenerator[bytes, None]:
    """The same piece by piece, of whatever size it is. An empty file has one empty piece."""
    opened, close = await in_thread(_open, job, file)
    reading: asyncio.Future[bytes | None] | None = None
    try:
        told = False
        while True:
            reading = asyncio.ensure_future(in_thread(next, opened, None))
            piece = await asyncio.shield(reading)
            if piece is None:
                break
            told = True
            yield piece
        if not told:
            yield b""
    finally:
        # A thread that is still reading must have ended before the file is closed under it.
        if reading is not None:
            await asyncio.wait((reading,))
        await in_thread(close)


def _open(job: Job, file: str) -> tuple[Iterator[bytes], Callable[[], None]]:
    file = file or DEFAULT_FILE
    if file == ERRORS_FILE:
        chunks = downloads.rejected_chunks(job)
        return chunks, chunks.close
    opened, _size = downloads.opened(job, file.removeprefix("result."))
    return iter(lambda: opened.read(streaming.CHUNK_BYTES), b""), opened.close
