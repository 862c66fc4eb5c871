"""Result files in the storage."""

import csv
import io
import tempfile
import uuid
from collections.abc import Iterable
from typing import TextIO

from django.core.files import File
from django.core.files.storage import default_storage

HEADER = ("Department Name", "Total Number of Sales")
# A result larger than this is written by way of a temporary file instead of memory.
SPOOL_BYTES = 8 * 1024 * 1024


def write_csv(departments: Iterable[tuple[str, int]], out: TextIO) -> None:
    """The result as the older systems wrote it: a header, then a line a department; LF, quotes where needed."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(departments)


def store_csv(departments: Iterable[tuple[str, int]], *, job_id: uuid.UUID, token: uuid.UUID) -> str:
    """Store the result CSV and return its name in the storage.

    The name carries the claim's token: a worker that has lost its claim writes beside its successor's file.
    """
    with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as spool:
        text = io.TextIOWrapper(spool, encoding="utf-8", newline="")
        write_csv(departments, text)
        text.detach()
        spool.seek(0)
        return default_storage.save(f"jobs/{job_id}/result-{token.hex}.csv", File(spool))
