"""The columns of a job's file, for a person who wants to say which is which."""

from itertools import accumulate

from reports.engine import EngineError, first_fields
from reports.engine.unpack import MAGIC, Unpacker
from reports.models import Job
from reports.options import MAX_NAME_LENGTH
from reports.pipelines import pipeline_for
from uploads.models import Upload
from uploads.reader import PartLost, read

# What a form lists, in columns and in characters of all their names; a first line with more is hardly a header.
MAX_COLUMNS = 200
MAX_CHARACTERS = 20_000
# What is looked at of a file for it. More would take a page too long.
LOOK_BYTES = 256 * 1024
# Of very many tiny gzip files in one, so many times `MEMBERS_PER_READ` are looked into.
_READS = 10


def columns_of(job: Job) -> list[str]:
    """The names in the file's first line, each once; nothing when the file is gone, or has no such line.

    Those that are too long to be chosen are left out. So is what is more than a form lists.
    """
    is_known = job.context is not None and pipeline_for(job.kind).is_header_whole(job.context)
    header = header_of(job) if is_known else _first_line(job.upload)
    names = dict.fromkeys(name for name in header if name.strip() and len(name) <= MAX_NAME_LENGTH)
    lengths = accumulate(map(len, names))
    return [name for name, length in zip(names, lengths, strict=True) if length <= MAX_CHARACTERS][:MAX_COLUMNS]


def header_of(job: Job) -> list[str]:
    """The file's header as the job has read it, of a very long one the beginning; nothing before that, and for a file
    without one."""
    return list(pipeline_for(job.kind).header(job.context)) if job.context else []


def found_in(job: Job) -> dict[str, str]:
    """Which column the job took for what, by the header's names; empty for a role without a column, and nothing at all
    for a file that has no header."""
    return pipeline_for(job.kind).found(job.context) if job.context else {}


def head_of(upload: Upload) -> bytes:
    """The file's beginning, unpacked; nothing when the file is gone or cannot be read."""
    size = min(upload.offset, LOOK_BYTES)
    if not size or upload.state not in (Upload.State.RECEIVING, Upload.State.COMPLETE):
        return b""
    try:
        head = read(upload, 0, size)
        return _unpacked(head) if head.startswith(MAGIC) else head
    except (PartLost, EngineError):
        return b""


def _unpacked(head: bytes) -> bytes:
    unpacker = Unpacker()
    unpacker.feed(head)
    return b"".join(unpacker.read(LOOK_BYTES // _READS) for _ in range(_READS))


def _first_line(upload: Upload) -> list[str]:
    names = first_fields(head_of(upload), final=min(upload.offset, LOOK_BYTES) == upload.length)
    return [] if any("\0" in name for name in names) else names
