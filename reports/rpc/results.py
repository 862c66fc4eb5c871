"""What a job ended in, as the bytes of messages."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator

from django.utils.translation import gettext as _

from accounts import audit, numbers, streaming
from accounts.acts import Act
from accounts.errors import Refusal
from reports import downloads, exports
from reports.formats import FORMATS
from reports.models import Job
from reports.rpc import callers
from reports.rpc.errors import Invalid
from reports.rpc.threads import in_thread, to_the_end
from reports.signed import ERRORS_FILE

DEFAULT_FILE = "result.csv"
# Each with the format that it is in; None: the report of rejected rows, which is put together as it is read.
FILES: dict[str, str | None] = {**{f"result.{kind}": kind for kind in FORMATS}, ERRORS_FILE: None}
# What clients of every language accept unless they are told to accept more: 4 MiB, the message's own frame included.
MAX_WHOLE_BYTES = 4 * 1024 * 1024 - 1024


def whole(job: Job, file: str) -> bytes:
    """All of the download `file` of `job`, for one message. Raises `Refusal` (400, 409, 413)."""
    data = bytearray()
    with contextlib.closing(_read(job, file)) as pieces:
        for piece in pieces:
            data += piece
            if len(data) > MAX_WHOLE_BYTES:
                message = _(
                    "The file has more than the %(limit)s that a message may have. Use StreamResult, or the download "
                    "addresses that GetJobStatus tells."
                )
                limit = numbers.size(MAX_WHOLE_BYTES)
                raise Refusal("result_too_large", message % {"limit": limit}, status=413)
    return bytes(data)


async def prepare(job: Job, file: str) -> None:
    """Wait without a thread until a worker has made `file`, if it has to. Raises `Refusal` (503)."""
    await exports.prepare(job, FILES.get(file or DEFAULT_FILE))


async def pieces(job: Job, file: str) -> AsyncGenerator[bytes, None]:
    """The same piece by piece, of whatever size it is. Raises `Refusal` (400, 409, 503)."""
    await prepare(job, file)
    reader = _read(job, file)
    reading: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            reading = asyncio.create_task(in_thread(next, reader, None))
            piece = await asyncio.shield(reading)
            if piece is None:
                return
            yield piece
    finally:
        await to_the_end(_close(reader, reading))


async def _close(reader: Generator[bytes, None, None], reading: "asyncio.Task[bytes | None] | None") -> None:
    if reading is not None:
        # A thread that still reads must have ended before the file is closed under it.
        await asyncio.gather(reading, return_exceptions=True)
    await in_thread(reader.close)


def _read(job: Job, file: str) -> Generator[bytes, None, None]:
    """The file's bytes. It is opened when the first are asked for, and closed with the generator."""
    file = file or DEFAULT_FILE
    if file not in FILES:
        known = ", ".join(FILES)
        raise Invalid(
            "unknown_format", _("There is no such download. There are: %(known)s.") % {"known": known}, "file"
        )
    kind = FILES[file]
    if kind is None:
        audit.record(Act.REJECTED_DOWNLOADED, job, account=job.owner_id, label=job.upload.filename)
        yield from downloads.rejected_chunks(job)
        return
    opened, _size = downloads.opened(job, kind)
    # Writing the file may have taken long.
    callers.confirm()
    audit.record(Act.RESULT_DOWNLOADED, job, account=job.owner_id, label=job.upload.filename)
    with opened:
        while data := opened.read(streaming.CHUNK_BYTES):
            yield data
