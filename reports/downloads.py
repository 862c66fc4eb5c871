"""Sending results and rejected rows to people."""

import codecs
from collections.abc import Generator
from pathlib import PurePath
from typing import IO, Any

from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponseRedirect, StreamingHttpResponse
from django.utils.translation import gettext as _

from accounts import audit, streaming
from accounts.acts import Act
from accounts.errors import Refusal
from reports import exports, safe_csv
from reports.formats import FORMATS
from reports.models import Export, Job
from reports.pipelines import pipeline_for
from uploads import ranges

# How long the URL works under which the store itself gives the file. Clients follow it at once; clocks may differ.
REDIRECT_SECONDS = 60
Download = StreamingHttpResponse | HttpResponseRedirect


def result(job: Job, kind: str, *, safe: bool = False, request: HttpRequest | None = None) -> Download:
    """A job's result as a download, in one of `formats.FORMATS`; `safe` is for CSV. With `request`, the client may be
    redirected to the store, if that has the file. Raises `Refusal` (404, 409, 503)."""
    _check(job, kind)
    response = _export(job, kind, request) if exports.is_export(kind) else _streamed(job, kind, request, safe=safe)
    audit.record(Act.RESULT_DOWNLOADED, job, account=job.owner_id, label=job.upload.filename)
    return response


def opened(job: Job, kind: str) -> tuple[IO[bytes], int | None]:
    """The same as an open file, and its size if that is known. An export that is not there yet is asked for; see
    `exports.prepare`. Raises `Refusal` (404, 409, 503)."""
    _check(job, kind)
    form = FORMATS[kind]
    if form.pieces is not None:
        return streaming.as_file(form.pieces(job)), None
    if form.write is None:
        return _open_stored(job.result_name)
    if exports.is_small(job):
        return exports.made_here(job, kind)
    export = exports.request(job, kind)
    if not export.storage_name:
        message = _("This file is being made. Try again in a moment.")
        raise Refusal("export_in_progress", message, status=503, headers={"Retry-After": "5"})
    return _open_stored(export.storage_name)


def _check(job: Job, kind: str) -> None:
    if kind not in FORMATS:
        known = ", ".join(FORMATS)
        raise Refusal(
            "unknown_format", _("There is no such download. There are: %(known)s.") % {"known": known}, status=404
        )
    check_result(job)


def _streamed(job: Job, kind: str, request: HttpRequest | None, *, safe: bool) -> Download:
    """A form that is stored already, or sent as it is made."""
    filename, content_type = _filename(job, "totals", kind), FORMATS[kind].content_type
    if kind == "csv" and safe:
        stored, _size = _open_stored(job.result_name)
        pieces = safe_csv.pieces(stored)
        response = streaming.stream(pieces, stored.close, filename=filename, content_type=content_type)
        return streaming.without_body(request, response)
    if kind == "csv" and (url := _at_the_store(job.result_name, job, kind, request)):
        return _redirect(url)
    file, size = opened(job, kind)
    response = streaming.attachment(file, size=size, filename=filename, content_type=content_type)
    return streaming.without_body(request, response)


def _export(job: Job, kind: str, request: HttpRequest | None) -> Download:
    """A form that is made once and kept. While it is made, the response waits, and nothing else."""
    filename, content_type = _filename(job, "totals", kind), FORMATS[kind].content_type
    if exports.is_small(job):
        file, size = exports.made_here(job, kind)
        return streaming.attachment(file, size=size, filename=filename, content_type=content_type)
    if request is not None and request.META["REQUEST_METHOD"] == "HEAD":
        nothing = streaming.stream(iter(()), lambda: None, filename=filename, content_type=content_type)
        return streaming.without_body(request, nothing)
    export = exports.request(job, kind)
    if not export.storage_name:
        return streaming.awaited(lambda: _opened_when_made(export), filename=filename, content_type=content_type)
    if url := _at_the_store(export.storage_name, job, kind, request):
        return _redirect(url)
    stored, length = _open_stored(export.storage_name)
    return streaming.attachment(stored, size=length, filename=filename, content_type=content_type)


async def _opened_when_made(export: Export) -> IO[bytes]:
    made = await exports.wait(export)
    file, _size = await streaming.in_thread(_open_stored, made.storage_name)
    return file


def _open_stored(name: str) -> tuple[IO[bytes], int]:
    stored: Any = default_storage.open(name)
    return stored, stored.size


def _at_the_store(name: str, job: Job, kind: str, request: HttpRequest | None) -> str:
    """The URL under which the store itself gives the file `name`; empty where it cannot. It would answer GET alone, for
    which the URL is signed; a middleware may hide a HEAD from `request.method`."""
    if request is None or request.META["REQUEST_METHOD"] != "GET":
        return ""
    filename, content_type = _filename(job, "totals", kind), FORMATS[kind].content_type
    return ranges.download_url(name, filename=filename, content_type=content_type, seconds=REDIRECT_SECONDS)


def _redirect(url: str) -> HttpResponseRedirect:
    """To a URL that works for a moment, for everyone who has it."""
    return HttpResponseRedirect(url, headers={"Cache-Control": "private, no-store"})


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
    plain = streaming.as_file(chunks)
    return streaming.stream(safe_csv.pieces(plain), plain.close, filename=filename, content_type=content_type)


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
