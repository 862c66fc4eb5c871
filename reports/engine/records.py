"""Records as text, one by one, with Python's `csv` module: slow, and what defines right.

Bytes are read as Latin-1, which maps every byte to one character and back. Delimiters, quotes and line ends are ASCII
in every encoding we fold, so the records come out the same as if the text had been decoded first.
"""

import csv
import io
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from reports.engine.text import Data

# A field may be as long as a window; the module's default of 128 KiB would make it an error. The limit is global to
# the process, and nothing else here reads CSV from people.
csv.field_size_limit(2**31 - 1)

_LINE_END = re.compile(rb"[\r\n]")
_BLANK_LINES = re.compile(r"[\r\n]+")


class Record(NamedTuple):
    """The record ``data[start:end]``, with its line end. Blank lines, however many, are one record without fields; a
    record that is too long has None.

    `open` says that the line in which a record that is too long ends is not over with the data.
    """

    fields: list[str] | None
    start: int
    end: int
    open: bool = False


def read(
    data: Data,
    delimiter: str,
    *,
    start: int = 0,
    stop: int = sys.maxsize,
    final: bool,
    longest: int = sys.maxsize,
) -> Iterator[Record]:
    """Each complete record of `data` that begins in ``[start, stop)``; `start` is a record's beginning.

    Unless it is `final`, a last record that could still go on (no line end yet, or inside quotes) is left out. A record
    of more than `longest` bytes without its line end is cut at the end of the line that byte ``start + longest`` is in.
    """
    while start < min(stop, len(data)):
        for record in _read(data, delimiter, start, stop, final=final, longest=longest):
            if record.start >= stop:
                return
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


def _read(data: Data, delimiter: str, start: int, stop: int, *, final: bool, longest: int) -> Iterator[Record]:
    # A record that begins before `stop` has ended, or is too long, before `needed`.
    needed = min(len(data), stop + longest + 3)
    is_all = final and needed == len(data)
    text = data[start:needed].decode("latin-1")
    # Lines, ended by LF, CRLF or CR as the `csv` module's documentation asks, without a step in Python for each.
    lines, end = io.StringIO(text, newline=""), _End()
    reader = csv.reader(chain(lines, end), delimiter=delimiter)
    begin = 0
    while True:
        if blank := _BLANK_LINES.match(text, begin):
            yield Record([], start + begin, start + blank.end())
            begin = lines.seek(blank.end())
        fields = next(reader, None)
        if fields is None:
            return
        position = lines.tell()
        # A record that asked for a line behind the last one has its last line end inside quotes.
        ended = 0 if end.reached else _line_end_size(text, position)
        if position - ended - begin > longest:
            break
        if not ended and not is_all:
            return
        yield Record(fields, start + begin, start + position)
        begin = position
    cut, is_whole = line_end(data, start + begin + longest)
    yield Record(None, start + begin, cut, open=not is_whole and not final)


def _line_end_size(text: str, position: int) -> int:
    """How many characters the line end has that ``text[:position]`` ends with; 0 when it ends with none."""
    if text.endswith("\r\n", 0, position):
        return 2
    return 1 if text.endswith(("\n", "\r"), 0, position) else 0


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


class _End:
    """Follows the last line, and knows whether the reader has asked for more."""

    reached = False

    def __iter__(self) -> "_End":
        return self

    def __next__(self) -> str:
        self.reached = True
        raise StopIteration
