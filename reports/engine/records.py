"""Exact record by record reading with Python's `csv` module: the slow path, and the one that defines right.

Bytes are read as Latin-1, which maps every byte to one character and back. Delimiters, quotes and line ends are ASCII
in every encoding we fold, so the records come out the same as if the text had been decoded first.
"""

import csv
import io
from collections.abc import Iterator

# A field may be as long as a window; the module's default of 128 KiB would make it an error. The limit is global to
# the process, and nothing else here reads CSV from people.
csv.field_size_limit(2**31 - 1)


def read(data: bytes, delimiter: str, *, final: bool) -> Iterator[tuple[list[str], int]]:
    """Each complete record of `data` with the offset of its end; a blank line is a record without fields.

    `data` begins at a record's beginning. Unless it is `final`, a last record that could still go on (no line end yet,
    or inside quotes) is left out.
    """
    lines = _Lines(data)
    for fields in csv.reader(lines, delimiter=delimiter):
        if not final and not lines.closed_record:
            return
        yield fields, lines.consumed


class _Lines(Iterator[str]):
    """Physical lines, ended by LF, CRLF or CR as the `csv` module's documentation asks (``newline=""``)."""

    def __init__(self, data: bytes) -> None:
        self._lines = io.TextIOWrapper(io.BytesIO(data), encoding="latin-1", newline="")
        self._exhausted = False
        self._ended = True
        self.consumed = 0

    @property
    def closed_record(self) -> bool:
        """Whether the record just read ended by itself: by a line end, and not because the data ran out."""
        return self._ended and not self._exhausted

    def __next__(self) -> str:
        line = self._lines.readline()
        if not line:
            self._exhausted = True
            raise StopIteration
        self._ended = line[-1] in "\r\n"
        self.consumed += len(line)
        return line
