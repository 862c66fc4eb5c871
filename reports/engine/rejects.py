"""The report of rejected rows: each with its number, its own fields, and what is wrong with it.

Lines are made window by window in the file's own encoding, since that is known only at the file's end.
"""

from collections.abc import Iterable

from reports.engine import faults, records, text
from reports.engine.blocks import BadRow
from reports.engine.layout import Layout
from reports.engine.text import Data

# Of a row that is too long, its beginning is enough to find it.
_SHOWN_OF_TOO_LONG = 200


def header(layout: Layout) -> str:
    """The report's first line."""
    return records.line(["rowNumber", *layout.names, "error"])


def header_in(data: Data, layout: Layout) -> bytes:
    """The same from the beginning of the file's bytes, in the file's own encoding, as the lines of rows are."""
    _, start = text.by_bom(data)
    head = data[start : layout.data_start]
    if layout.encoding != text.UTF8:
        head = text.to_utf8(head, layout.encoding, final=True)
    fields = next(record.fields for record in records.read(head, layout.delimiter, final=True) if record.fields)
    return records.line(["rowNumber", *fields, "error"]).encode("latin-1")


def note(layout: Layout, words: str) -> str:
    """A line that says something about the report itself, where the errors stand."""
    return records.line(["", *([""] * layout.width), words])


def lines(data: Data, bad: Iterable[BadRow], layout: Layout, *, first: int) -> list[bytes]:
    """A line for each bad row of `data`; `first` is the number of rows before it in the file, whose rows count from 1.

    Fields beyond the header's come behind the error, so that the columns stay in line.
    """
    width, delimiter = layout.width, layout.delimiter.encode()
    plain = delimiter == b","
    words: dict[int, bytes] = {}
    out: list[bytes] = []
    for row in bad:
        if row.faults not in words:
            words[row.faults] = faults.words(row.faults, amounts=layout.amounts).encode()
        number, told = first + row.row + 1, words[row.faults]
        raw = bytes(data[row.start : row.end])
        if plain and b'"' not in raw and row.faults != faults.TOO_LONG:
            # The fields as they stand in the file.
            raw = raw.rstrip(b"\r\n")
            if row.faults & faults.FIELDS:
                fields = raw.split(b",")
                fields += [b""] * (width - len(fields))
                raw, told = b",".join(fields[:width]), b",".join([told, *fields[width:]])
            out.append(b"%d,%b,%b\n" % (number, raw, told))
        else:
            out.append(_line(number, raw, told.decode(), row, layout))
    return out


def renumbered(lines: Iterable[bytes], by: int) -> list[bytes]:
    """The same lines with `by` added to each one's number: what they were made from has so many rows before it."""
    return [b"%d,%b" % (int(number) + by, rest) for number, _, rest in (line.partition(b",") for line in lines)]


def _line(number: int, raw: bytes, told: str, row: BadRow, layout: Layout) -> bytes:
    """The line of a row that must be read and written anew, since it has quotes or other delimiters."""
    if row.faults == faults.TOO_LONG:
        fields = [raw[:_SHOWN_OF_TOO_LONG].decode("latin-1")]
    else:
        read = next(records.read(raw, layout.delimiter, final=True)).fields
        assert read is not None
        fields = read
    fields += [""] * (layout.width - len(fields))
    return records.line([number, *fields[: layout.width], told, *fields[layout.width :]]).encode("latin-1")
