"""Sending stored files to people."""

import codecs
from collections.abc import AsyncIterator
from pathlib import PurePath

from asgiref.sync import sync_to_async
from django.core.files import File
from django.core.files.storage import default_storage
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from reports.models import Job
from reports.pipelines import pipeline_for

CHUNK_BYTES = 256 * 1024


def attachment(file: "File[bytes]", *, filename: str, content_type: str) -> StreamingHttpResponse:
    """`file` as a download. It is closed when the last byte has been sent, or the reader has gone."""
    headers = {
        "Content-Length": str(file.size),
        "Content-Disposition": content_disposition_header(True, filename) or "attachment",
        "Cache-Control": "private, no-store",
    }
    return StreamingHttpResponse(_chunks(file), content_type=content_type, headers=headers)


def rejected_rows(job: Job) -> StreamingHttpResponse:
    """The report of a job's rejected rows, put together from its windows' as it is sent. The job has a context."""
    headers = {
        "Content-Disposition": content_disposition_header(True, _filename(job, "rejected")) or "attachment",
        "Cache-Control": "private, no-store",
    }
    return StreamingHttpResponse(_rejected(job), content_type="text/csv; charset=utf-8", headers=headers)


def result_filename(job: Job) -> str:
    return _filename(job, "totals")


def _filename(job: Job, what: str) -> str:
    return f"{PurePath(job.upload.filename.removesuffix('.gz')).stem}-{what}.csv"


async def _rejected(job: Job) -> AsyncIterator[bytes]:
    context = job.context
    assert context is not None
    pipeline, listed = pipeline_for(job.kind), 0
    yield pipeline.rejected_header(context).encode()
    # What a window rejected is stored as it stands in the file, whose encoding is known only at its end.
    encoding = job.encoding if job.encoding == "windows-1252" else "utf-8"
    async for window in job.rejected.all():
        file = await sync_to_async(default_storage.open, thread_sensitive=False)(window.storage_name)
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        async for chunk in _chunks(file):
            yield decoder.decode(chunk).encode()
        listed += window.rows
    if listed < job.bad_rows:
        yield pipeline.rejected_note(context, f"only the first {listed:,} rejected rows are listed").encode()


async def _chunks(file: "File[bytes]") -> AsyncIterator[bytes]:
    """Piece by piece. Under ASGI Django would read a file that is iterated synchronously into memory first."""
    read = sync_to_async(file.read, thread_sensitive=False)
    try:
        while data := await read(CHUNK_BYTES):
            yield data
    finally:
        file.close()
