"""Records as text, one by one, with Python's `csv` module: slow, and what defines right.

Bytes are read as Latin-1, which maps every byte to one character and back. Delimiters, quotes and line ends are ASCII
in every encoding we fold, so the records come out the same as if the text had been decoded first.
"""

import csv
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from reports.engine.text import Data

# A field may be as long as a window; the module's default of 128 KiB would make it an error. The limit is global to
# the process, and nothing else here reads CSV from people.
csv.field_size_limit(2**31 - 1)

_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)?")
_LINE_END = re.compile(rb"[\r\n]")


class Record(NamedTuple):
    """The record ``data[start:end]``, with its line end. A blank line has no fields, one that is too long has None.

    `open` says that the line in which a record that is too long ends is not over with the data.
    """

    fields: list[str] | None
    start: int
    end: int
    open: bool = False


def read(data: Data, delimiter: str, *, start: int = 0, final: bool, longest: int = sys.maxsize) -> Iterator[Record]:
    """Each complete record of `data` from `start` on, which is a record's beginning.

    Unless it is `final`, a last record that could still go on (no line end yet, or inside quotes) is left out. A record
    of more than `longest` bytes without its line end is cut at the end of the line that byte ``start + longest`` is in.
    """
    while True:
        for record in _read(data, delimiter, start, final=final, longest=longest):
            yield record
            start = record.end
            if record.fields is None:
                break
        else:
            return


def line_end(data: Data, start: int) -> tuple[int, bool]:
    """Where the line that goes on at `start` ends, its line end included, and whether it does."""
    found = _LINE_END.search(data, start)
    return (found.end(), True) if found else (len(data), False)


def _read(data: Data, delimiter: str, start: int, *, final: bool, longest: int) -> Iterator[Record]:
    lines = _Lines(data, start, longest)
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        fields = next(reader, None)
        if fields is None:
            return
        if lines.content_end - start > longest:
            break
        if lines.exhausted and not final:
            return
        yield Record(fields, start, lines.position)
        start = lines.start_record()
    end, ended = line_end(data, start + longest)
    yield Record(None, start, end, open=not ended and not final)


def line(fields: Sequence[object]) -> str:
    """A record as text, ended by LF."""
    written: str = _WRITER.writerow(fields)
    return written[:-2] + "\n"


class _Echo:
    """A file for `csv.writer`, which returns what the file's `write` does."""

    def write(self, text: str) -> str:
        return text


# With CRLF as its line end the writer quotes fields with a lone CR too, as readers need it.
_WRITER: Any = csv.writer(_Echo(), lineterminator="\r\n")


class _Lines(Iterator[str]):
    """Physical lines, ended by LF, CRLF or CR as the `csv` module's documentation asks (``newline=""``).

    Lines stop with the record that has grown beyond `longest`.
    """

    def __init__(self, data: Data, start: int, longest: int) -> None:
        self._data = data
        self._longest = longest
        self._record = start
        self.position = start
        self.content_end = start
        self.exhausted = False

    def start_record(self) -> int:
        self._record = self.position
        return self._record

    def __next__(self) -> str:
        if self.position >= len(self._data) or self.position - self._record > self._longest + 2:
            # A record that is still open here has its last line end inside quotes.
            self.content_end = self.position
            self.exhausted = True
            raise StopIteration
        match = _LINE.match(self._data, self.position)
        assert match is not None
        line = match.group()
        self.position = match.end()
        self.content_end = self.position - (len(line) - len(line.rstrip(b"\r\n")))
        self.exhausted = self.content_end == self.position
        return line.decode("latin-1")
