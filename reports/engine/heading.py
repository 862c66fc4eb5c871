"""A file's first record, read under every delimiter: what its columns are found in."""

from dataclasses import dataclass
from functools import cached_property

from reports.engine import records, text
from reports.engine.errors import EngineError

DELIMITERS = (",", ";", "\t", "|")
# The first record must end within this many bytes; a header that does not is no header.
HEAD_BYTES = 1024 * 1024
# A worksheet has no more columns. What is kept and shown of a file grows with its header.
MAX_COLUMNS = 16_384
# Of a name that is asked for, or that the file has, an error shows so much.
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True)
class Reading:
    """The first record under `delimiter`: its fields, and the offset of the record after it in the file's own bytes.

    Bytes are read as Latin-1, so that every field can be judged; `names`, of at most `MAX_COLUMNS` fields, are for
    people.
    """

    delimiter: str
    fields: list[str]
    end: int

    @property
    def is_too_wide(self) -> bool:
        return len(self.fields) > MAX_COLUMNS

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(text.decode(field.encode("latin-1")) for field in self.fields[:MAX_COLUMNS])


@dataclass(frozen=True)
class Heading:
    """`start` is where the first record begins: behind the byte order mark."""

    encoding: str
    start: int
    readings: tuple[Reading, ...]

    @property
    def usable(self) -> list[Reading]:
        """The readings that have no more columns than a file may have."""
        return [reading for reading in self.readings if not reading.is_too_wide]

    @property
    def widest(self) -> Reading:
        """Under the delimiter that gives the most fields."""
        return max(self.readings, key=lambda reading: len(reading.fields))


def read_heading(data: text.Data, *, final: bool) -> Heading | None:
    """The heading of the file that begins with `data`; `final` says that this is all of it.

    None when `data` does not hold the first record whole and more could follow: ask again with more. Raises
    `EngineError` (``empty_file``, ``not_csv``).
    """
    heading = look(data, final=final)
    if any(not reading.fields for reading in heading.readings):
        if not final and len(data) < heading.start + HEAD_BYTES:
            return None
        raise _empty() if final and len(data) <= heading.start + HEAD_BYTES else not_csv()
    return heading


def look(data: text.Data, *, final: bool) -> Heading:
    """The same, with no fields where there is no whole record."""
    encoding, bom = text.by_bom(data)
    head, final = data[bom : bom + HEAD_BYTES], final and len(data) <= bom + HEAD_BYTES
    if encoding != text.UTF8:
        head = text.to_utf8(head, encoding, final=final)
    readings = []
    for delimiter in DELIMITERS:
        fields, end = _first_record(head, delimiter, final=final)
        readings.append(Reading(delimiter, fields, bom + text.size_in(head[:end], encoding)))
    return Heading(encoding, bom, tuple(readings))


def first_fields(data: text.Data, *, final: bool) -> list[str]:
    """What stands in the first record of the file that begins with `data`, for a person who is to say which column is
    which: read under the delimiter that gives the most fields. Nothing when there is no whole record."""
    return list(look(data, final=final).widest.names)


def not_csv() -> EngineError:
    return EngineError("not_csv", "This does not look like a CSV file. Export the table as CSV and upload that.")


def too_many_columns() -> EngineError:
    return EngineError(
        "too_many_columns",
        f"The first line has more than {MAX_COLUMNS:,} columns. Export only the columns that you need.",
    )


def missing_columns(heading: Heading, what: str, advice: str, asked: list[str]) -> EngineError:
    """The file has no columns for `what`, or not those that were `asked` for by name."""
    widest = heading.widest
    if any("\0" in field for field in widest.fields):
        return not_csv()
    if widest.is_too_wide:
        return too_many_columns()
    shown = ", ".join(name[:_SHOWN_CHARACTERS] for name in widest.names[:20])
    named = f" (columns asked for: {', '.join(name[:_SHOWN_CHARACTERS] for name in asked[:20])})" if asked else ""
    return EngineError(
        "missing_columns", f"No columns for {what} were found{named}. The first line reads: {shown}. {advice}"
    )


def _first_record(head: text.Data, delimiter: str, *, final: bool) -> tuple[list[str], int]:
    """The first record that is not a blank line, with the offset of its end; no fields when `head` holds none whole."""
    for record in records.read(head, delimiter, final=final):
        if record.fields:
            return record.fields, record.end
    return [], 0


def _empty() -> EngineError:
    return EngineError("empty_file", "The file is empty. Export it again and check that it has rows.")
