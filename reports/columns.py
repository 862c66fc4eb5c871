"""The columns of a job's file, for a person who wants to say which is which."""

import zlib

from reports.engine import HEAD_BYTES, first_fields
from reports.engine.unpack import MAGIC
from reports.models import Job
from reports.pipelines import pipeline_for
from uploads.models import Upload
from uploads.reader import PartLost, read

# What a form lists; a first line with more fields is hardly a header.
MAX_COLUMNS = 200


def columns_of(job: Job) -> list[str]:
    """The names in the file's first line, each once; nothing when the file is gone, or has no such line."""
    header = header_of(job) if job.context else _first_line(job.upload)
    return list(dict.fromkeys(name for name in header if name.strip()))[:MAX_COLUMNS]


def header_of(job: Job) -> list[str]:
    """The file's header as the job has read it; nothing before that, and for a file without one."""
    return list(pipeline_for(job.kind).header(job.context)) if job.context else []


def found_in(job: Job) -> dict[str, str]:
    """Which column the job took for what, by the header's names; empty for a role without a column, and nothing at all
    for a file that has no header."""
    return pipeline_for(job.kind).found(job.context) if job.context else {}


def head_of(upload: Upload) -> bytes:
    """The file's beginning, unpacked; nothing when the file is gone or cannot be read."""
    size = min(upload.offset, HEAD_BYTES)
    if not size or upload.state not in (Upload.State.RECEIVING, Upload.State.COMPLETE):
        return b""
    try:
        head = read(upload, 0, size)
        return zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES) if head.startswith(MAGIC) else head
    except (PartLost, zlib.error):
        return b""


def _first_line(upload: Upload) -> list[str]:
    names = first_fields(head_of(upload), final=min(upload.offset, HEAD_BYTES) == upload.length)
    return [] if any("\0" in name for name in names) else names
