"""Sending stored files to people."""

from collections.abc import AsyncIterator
from pathlib import PurePath

from asgiref.sync import sync_to_async
from django.core.files import File
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from reports.models import Job

CHUNK_BYTES = 256 * 1024


def attachment(file: "File[bytes]", *, filename: str, content_type: str) -> StreamingHttpResponse:
    """`file` as a download. It is closed when the last byte has been sent, or the reader has gone."""
    headers = {
        "Content-Length": str(file.size),
        "Content-Disposition": content_disposition_header(True, filename) or "attachment",
        "Cache-Control": "private, no-store",
    }
    return StreamingHttpResponse(_chunks(file), content_type=content_type, headers=headers)


def result_filename(job: Job) -> str:
    return f"{PurePath(job.upload.filename).stem}-totals.csv"


async def _chunks(file: "File[bytes]") -> AsyncIterator[bytes]:
    """Piece by piece. Under ASGI Django would read a file that is iterated synchronously into memory first."""
    read = sync_to_async(file.read, thread_sensitive=False)
    try:
        while data := await read(CHUNK_BYTES):
            yield data
    finally:
        file.close()
