"""How a file of a kind other than sales is written, and its rows as texts: for rules in plain Python.

A sheet has a header. Its encoding is UTF-8 or UTF-16; a field that is not is Windows-1252, whatever the others are.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import Any, NamedTuple

from reports.engine import columns, records, text
from reports.engine.columns import Named
from reports.engine.heading import missing_columns, read_heading
from reports.engine.limits import DEFAULT, Limits

# Of a row that is too long, its beginning is enough to find it.
_SHOWN_OF_TOO_LONG = 200
_END = "END"
_AT_A_TIME = 1000
# Rows are counted against the limit of a window after each piece.
_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Sheet:
    """`positions` tell where each role's column is; a role without one is not there. `data_start` is the offset of the
    first row, in the file's own bytes. `width` is the number of columns where `header` has only the first of them."""

    encoding: str
    delimiter: str
    header: tuple[str, ...]
    positions: Mapping[str, int]
    data_start: int
    width: int = 0

    @property
    def columns(self) -> int:
        """How many there are."""
        return self.width or len(self.header)

    def to_json(self) -> dict[str, Any]:
        stored = asdict(self)
        # Workers of the version before do not know it.
        return stored if self.width else {name: value for name, value in stored.items() if name != "width"}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Sheet":
        return cls(**{**stored, "header": tuple(stored["header"])})


class Rows(NamedTuple):
    """The rows of a window, in order, each with its fields as texts; `too_long` are the indices of those of which only
    the beginning is there. The first `consumed` bytes were read; 0 means that the first record does not end in them.
    `skipping` says that the last row is too long and that its last line goes on. `utf8`: all of it was.
    """

    consumed: int
    rows: list[list[str]]
    too_long: frozenset[int] = frozenset()
    skipping: bool = False
    utf8: bool = True


def detect_sheet(
    data: text.Data,
    *,
    final: bool,
    usual: Mapping[str, Sequence[str]],
    required: Sequence[str],
    named: Named | None = None,
) -> Sheet | None:
    """The sheet that begins with `data`; `final` says that this is all of it.

    Columns are found by their `usual` names, or as `named` (see `reports.engine.columns`). None when `data` does not
    hold the first record whole and more could follow. Raises `EngineError` (``empty_file``, ``not_csv``,
    ``missing_columns``, ``too_many_columns``).
    """
    heading = read_heading(data, final=final)
    if heading is None:
        return None
    for reading in heading.usable:
        found = columns.positions(reading.names, usual, named)
        if found is not None and all(found[role] for role in required):
            places = {role: positions[0] for role, positions in found.items() if positions}
            return Sheet(heading.encoding, reading.delimiter, reading.names, places, reading.end)
    what, advice = " and ".join(required), "Name the columns so, or say which column is which."
    raise missing_columns(heading, what, advice, columns.asked(named or {}))


def read_rows(data: text.Data, sheet: Sheet, *, final: bool, skipping: bool = False, limits: Limits = DEFAULT) -> Rows:
    """The rows whose records are whole at the beginning of `data`, which begins at a record's beginning, or, if the
    window before was left `skipping`, within a line that is to be left out. About `limits.window_rows` at most: what
    they leave of `data` belongs to the next window."""
    if sheet.encoding == text.UTF8:
        return _read(data, sheet.delimiter, final=final, skipping=skipping, limits=limits)
    converted = text.to_utf8(data, sheet.encoding, final=final)
    read = _read(converted, sheet.delimiter, final=final, skipping=skipping, limits=limits)
    whole = final and read.consumed == len(converted)
    return read._replace(consumed=len(data) if whole else text.size_in(converted[: read.consumed], sheet.encoding))


def _read(data: text.Data, delimiter: str, *, final: bool, skipping: bool, limits: Limits) -> Rows:
    longest = limits.record_bytes
    rows: list[list[str]] = []
    too_long: list[int] = []
    position, utf8 = 0, True
    if skipping:
        position, ended = records.line_end(data, 0)
        skipping = not ended and not final
        if skipping:
            # What is left of the line may end in the middle of a character, which the next window must see whole.
            return Rows(text.whole_characters(data), rows, skipping=True)
    while position < len(data) and not skipping and len(rows) < limits.window_rows:
        piece = data[position : position + min(longest, _PIECE_BYTES)]
        last = final and position + len(piece) == len(data)
        size = len(piece) if last else max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1
        found, read, plain = _whole(piece[:size], delimiter, final=last)
        if read:
            rows += found
        else:
            # Its end is further than a piece is long: it is too long, or there is not enough of it yet.
            first = records.read(data, delimiter, start=position, stop=position + 1, final=final, longest=longest)
            record = next(first, None)
            if record is None:
                break
            if record.fields is None:
                too_long.append(len(rows))
            rows.append(_decoded(record.fields or [_beginning(data[position : position + longest])]))
            plain = record.fields is None or text.is_utf8(data[position : record.end])
            read, skipping = record.end - position, record.open
        utf8 &= plain
        position += read
    if skipping:
        position = text.whole_characters(data)
    return Rows(position, rows, frozenset(too_long), skipping, utf8)


def _whole(data: text.Data, delimiter: str, *, final: bool) -> tuple[list[list[str]], int, bool]:
    """The records that are whole in `data`, which ends with a line end or the file, without blank lines; how many
    bytes they are; and whether these are UTF-8."""
    try:
        contents, utf8 = data.decode(text.UTF8), True
    except UnicodeDecodeError:
        contents, utf8 = data.decode("latin-1"), False
    # Within quotes the line that follows belongs to the last record.
    reader = csv.reader(chain(_lines(contents), () if final else (_END,)), delimiter=delimiter)
    found: list[list[str]] = []
    # Some at a time: as one call, all of it would keep other threads from running, a tenth of a second for each window.
    while some := list(islice(reader, _AT_A_TIME)):
        found += some
    size = len(data)
    if not final and found.pop() != [_END]:
        characters = _start_of_last(contents, delimiter)
        size = len(contents[:characters].encode(text.UTF8 if utf8 else "latin-1"))
    rows = [fields for fields in found if fields]
    if utf8:
        return rows, size, True
    # What is left out does not count yet.
    return [_decoded(fields) for fields in rows], size, text.is_utf8(data[:size])


def _start_of_last(contents: str, delimiter: str) -> int:
    """Where the last record begins."""
    reader = csv.reader(_lines(contents), delimiter=delimiter)
    ends = [0]
    for _fields in reader:
        ends = [ends[-1], reader.line_num]
    return sum(len(line) for _number, line in zip(range(ends[0]), _lines(contents), strict=False))


def _beginning(piece: text.Data) -> str:
    """What is shown of a record that is too long, as Latin-1."""
    shown = piece[:_SHOWN_OF_TOO_LONG]
    return shown[: text.whole_characters(shown)].decode("latin-1")


def _lines(contents: str) -> Iterator[str]:
    return io.StringIO(contents, newline="")


def _decoded(fields: Sequence[str]) -> list[str]:
    """Fields whose bytes were read as Latin-1."""
    return [field if field.isascii() else text.decode(field.encode("latin-1")) for field in fields]
