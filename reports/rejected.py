"""The first rejected rows of a job, for its page."""

import csv
import io
from dataclasses import dataclass
from itertools import islice

from reports import downloads, words
from reports.models import Job
from reports.pipelines import pipeline_for

ROWS = 20
# What a page shows of a cell; the download has all of it.
_CHARACTERS = 120
# The beginning of the report that is read for it.
_BYTES = 256 * 1024


@dataclass(frozen=True)
class Preview:
    """The report's own header, without the row's number and the error, and lines of number, fields, error."""

    columns: list[str]
    rows: list[tuple[str, list[str], str]]


def preview(job: Job) -> Preview | None:
    """The first rejected rows, as far as they are stored; None when there are none."""
    if job.context is None or not job.bad_rows:
        return None
    records = csv.reader(io.StringIO(_beginning(job), newline="\n"))
    header = next(records)
    width = pipeline_for(job.kind).fields_before_error(job.context)
    rows = []
    for record in islice(records, ROWS):
        if len(record) < width + 2 or not record[0]:
            break
        number, fields, error = record[0], record[1 : width + 1], record[width + 1]
        rows.append((number, [_shortened(field) for field in fields + record[width + 2 :]], words.row(job, error)))
    return Preview(header[1 : width + 1] + header[width + 2 :], rows)


def _shortened(field: str) -> str:
    return field if len(field) <= _CHARACTERS else field[:_CHARACTERS] + "…"


def _beginning(job: Job) -> str:
    """The lines of the report that its beginning holds whole."""
    begun = b""
    for chunk in downloads.rejected_chunks(job):
        begun += chunk
        if len(begun) > _BYTES:
            break
    return begun[: begun.rfind(b"\n") + 1].decode()
