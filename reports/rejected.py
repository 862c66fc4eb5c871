"""The first rejected rows of a job, for its page."""

import csv
import io
from dataclasses import dataclass
from itertools import islice

from reports import downloads, words
from reports.engine import HEAD_BYTES
from reports.models import Job
from reports.pipelines import pipeline_for
from salesagg.core.shown import cut

ROWS = 20
# What a page shows of a row, and of a cell; the download has all of it.
_COLUMNS = 30
_CHARACTERS = 120
# The beginning of the report that is read for it, besides a header that is long: with its quotation marks doubled it
# may be twice as long as in the file.
_BYTES = 256 * 1024
_LONG_HEADER_BYTES = 2 * HEAD_BYTES


@dataclass(frozen=True)
class Preview:
    """The report's own header, without the row's number and the error, and lines of number, fields, error. Of all
    columns these are the first."""

    columns: list[str]
    rows: list[tuple[str, list[str], str]]
    all_columns: int


def preview(job: Job) -> Preview | None:
    """The first rejected rows, as far as they are stored; None when there are none."""
    if job.context is None or not job.bad_rows:
        return None
    records = csv.reader(io.StringIO(_beginning(job), newline="\n"))
    header = next(records, [])
    width = pipeline_for(job.kind).fields_before_error(job.context)
    rows = []
    for record in islice(records, ROWS):
        if len(record) < width + 2 or not record[0]:
            break
        number, fields, error = record[0], record[1 : width + 1], record[width + 1]
        rows.append((number, _shown(fields + record[width + 2 :]), cut(words.row(job, error), 1000)))
    columns = header[1 : width + 1] + header[width + 2 :]
    return Preview(_shown(columns), rows, len(columns))


def _shown(fields: list[str]) -> list[str]:
    return [cut(field, _CHARACTERS) for field in fields[:_COLUMNS]]


def _beginning(job: Job) -> str:
    """The lines of the report that its beginning holds whole."""
    assert job.context is not None
    is_whole = pipeline_for(job.kind).is_header_whole(job.context)
    enough = _BYTES if is_whole else _BYTES + _LONG_HEADER_BYTES
    begun = bytearray()
    for chunk in downloads.rejected_chunks(job):
        begun += chunk
        if len(begun) > enough:
            break
    return begun[: begun.rfind(b"\n") + 1].decode()
