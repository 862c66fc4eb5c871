"""Sending results and rejected rows to people."""

import codecs
import tempfile
from collections.abc import Callable, Generator
from pathlib import PurePath
from typing import IO, Any

from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponseRedirect, StreamingHttpResponse
from django.utils.translation import gettext as _

from accounts import audit, streaming
from accounts.acts import Act
from accounts.errors import Refusal
from reports import safe_csv
from reports.formats import FORMATS, write_safe_csv
from reports.models import Job
from reports.pipelines import pipeline_for
from uploads import ranges

# What is larger is made in a temporary file instead of memory.
SPOOL_BYTES = 8 * 1024 * 1024
# How long the address holds that somebody is sent on to: they go there at once, but clocks may differ.
REDIRECT_SECONDS = 300


def result(
    job: Job, kind: str, *, safe: bool = False, request: HttpRequest | None = None
) -> StreamingHttpResponse | HttpResponseRedirect:
    """A job's result as a download, in one of `formats.FORMATS`; `safe` is for CSV. Who asks by `request` may be sent
    on to the store, where it has what is asked for. Raises `Refusal` (404, 409, 503)."""
    response: StreamingHttpResponse | HttpResponseRedirect
    if request is not None and (url := _at_the_store(job, kind, safe=safe, request=request)):
        # It holds for a moment, for whoever has it.
        response = HttpResponseRedirect(url, headers={"Cache-Control": "private, no-store"})
    else:
        file, size = opened(job, kind, safe=safe)
        content_type = FORMATS[kind].content_type
        response = streaming.attachment(
            file, size=size, filename=_filename(job, "totals", kind), content_type=content_type
        )
    audit.record(Act.RESULT_DOWNLOADED, job, account=job.owner_id, label=job.upload.filename)
    return response


def _at_the_store(job: Job, kind: str, *, safe: bool, request: HttpRequest) -> str:
    """The address under which the store itself gives the download; empty where it cannot. It would answer GET alone,
    for which the address is signed; that HEAD is meant, a middleware may hide from what is asked after it."""
    if kind != "csv" or safe or request.META["REQUEST_METHOD"] != "GET":
        return ""
    check_result(job)
    filename, content_type = _filename(job, "totals", kind), FORMATS[kind].content_type
    return ranges.download_url(job.result_name, filename=filename, content_type=content_type, seconds=REDIRECT_SECONDS)


def opened(job: Job, kind: str, *, safe: bool = False) -> tuple[IO[bytes], int]:
    """The same as an open file, and its size."""
    if kind not in FORMATS:
        known = ", ".join(FORMATS)
        raise Refusal(
            "unknown_format", _("There is no such download. There are: %(known)s.") % {"known": known}, status=404
        )
    check_result(job)
    if kind == "csv" and not safe:
        stored = default_storage.open(job.result_name)
        return stored, stored.size
    write = write_safe_csv if kind == "csv" else FORMATS[kind].write
    return _made(lambda out: write(job, out))


def check_result(job: Job) -> None:
    """Raise `Refusal` (409) unless the job has come to a result."""
    pipeline = pipeline_for(job.kind)
    if not pipeline.has_result:
        message = _("An import has no totals; what it has imported is under “%(title)s”.") % {"title": pipeline.title}
        raise Refusal("no_result", message, status=409)
    if job.status != Job.Status.COMPLETED:
        raise Refusal("no_result", _("The job has no result yet. Wait until it is done."), status=409)


def rejected(job: Job, *, safe: bool = False) -> StreamingHttpResponse:
    """The report of a job's rejected rows, put together from its windows' as it is sent. Raises `Refusal` (409)."""
    filename, content_type = _filename(job, "rejected", "csv"), "text/csv; charset=utf-8"
    chunks = rejected_chunks(job)
    audit.record(Act.REJECTED_DOWNLOADED, job, account=job.owner_id, label=job.upload.filename)
    if not safe:
        return streaming.stream(chunks, chunks.close, filename=filename, content_type=content_type)

    def write(out: IO[bytes]) -> None:
        with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as plain:
            plain.writelines(chunks)
            plain.seek(0)
            safe_csv.copy(plain, out)

    made, size = _made(write)
    return streaming.attachment(made, size=size, filename=filename, content_type=content_type)


def rejected_chunks(job: Job) -> Generator[bytes, None, None]:
    """The report of rejected rows as UTF-8, piece by piece. The database is asked before the first is taken. Raises
    `Refusal` (409)."""
    context = job.context
    if context is None:
        raise Refusal("no_result", _("No row of the file has been read yet. Wait until it is done."), status=409)
    windows = list(job.rejected.values_list("storage_name", "rows"))
    pipeline = pipeline_for(job.kind)
    encoding = pipeline.rejected_encoding(job)

    def chunks() -> Generator[bytes, None, None]:
        yield pipeline.rejected_header(context).encode()
        for name, _rows in windows:
            decoder = codecs.getincrementaldecoder(encoding)("replace")
            with default_storage.open(name) as file:
                while data := file.read(streaming.CHUNK_BYTES):
                    yield decoder.decode(data).encode()
        listed = sum(rows for _name, rows in windows)
        if listed < job.bad_rows:
            yield pipeline.rejected_note(context, f"only the first {listed:,} rejected rows are listed").encode()

    return chunks()


def _filename(job: Job, what: str, suffix: str) -> str:
    return f"{PurePath(job.upload.filename.removesuffix('.gz')).stem}-{what}.{suffix}"


def _made(write: Callable[[IO[bytes]], None]) -> tuple[IO[bytes], int]:
    """A temporary file with what `write` writes, ready to be read, and its size."""
    spool: Any = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115  (closed by whoever sends it)
    write(spool)
    size = spool.tell()
    spool.seek(0)
    return spool, size
