"""How a file is written: encoding, delimiter, header, columns. Found once, from the file's first bytes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from reports.engine import columns, records, rules, text
from reports.engine.columns import Columns
from reports.engine.errors import EngineError

DELIMITERS = (",", ";", "\t", "|")
# The first record must end within this many bytes; a header that does not is no header.
HEAD_BYTES = 1024 * 1024
# The columns of a file without a header: text, ISO day, number.
USUAL_HEADER = ("Department Name", "Date", "Number of Sales")
BY_POSITION = Columns(department=(0,), date=1, sales=2)


@dataclass(frozen=True)
class Layout:
    """`header` is None for a file without one; `width` is the number of fields a row must have; `data_start` is the
    offset of the first row, in the file's own bytes. `amounts` says that sales are decimals, perhaps negative."""

    encoding: str
    delimiter: str
    header: tuple[str, ...] | None
    width: int
    columns: Columns
    data_start: int
    amounts: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What the columns are called."""
        return self.header or USUAL_HEADER

    def to_json(self) -> dict[str, Any]:
        return {"version": 2, **asdict(self)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Layout":
        if stored["version"] != 2:
            raise ValueError(f"unknown layout version {stored['version']}")
        header = stored["header"]
        return cls(
            encoding=stored["encoding"],
            delimiter=stored["delimiter"],
            header=None if header is None else tuple(header),
            width=stored["width"],
            columns=Columns(**{**stored["columns"], "department": tuple(stored["columns"]["department"])}),
            data_start=stored["data_start"],
            amounts=stored["amounts"],
        )


def detect_layout(
    data: text.Data, *, final: bool, named: columns.Named | None = None, amounts: bool = False
) -> Layout | None:
    """The layout of the file that begins with `data`; `final` says that this is all of it.

    None when `data` does not hold the first record whole and more could follow: ask again with more.

    The delimiter is the first of `DELIMITERS` under which the first record makes sense: as a header with the columns
    needed (`named` as in `columns.find`), else as a row of a file without a header. Raises `EngineError`
    (``empty_file``, ``not_csv``, ``missing_columns``).
    """
    encoding, bom = text.by_bom(data)
    more_may_come = not final and len(data) < bom + HEAD_BYTES
    head, final = data[bom : bom + HEAD_BYTES], final and len(data) <= bom + HEAD_BYTES
    if encoding != text.UTF8:
        head = text.to_utf8(head, encoding, final=final)
    readings = [(delimiter, *_first_record(head, delimiter, final=final)) for delimiter in DELIMITERS]
    if any(not fields for _, fields, _ in readings):
        if more_may_come:
            return None
        raise _empty() if final else _not_csv()
    for delimiter, fields, end in readings:
        names = [text.decode(field.encode("latin-1")) for field in fields]
        found = columns.find(names, named)
        if found:
            start = bom + text.size_in(head[:end], encoding)
            return Layout(encoding, delimiter, tuple(names), len(names), found, start, amounts)
    for delimiter, fields, _ in readings:
        if not named and _is_row(fields, amounts=amounts):
            return Layout(encoding, delimiter, None, len(fields), BY_POSITION, bom, amounts)
    raise _unreadable(max((fields for _, fields, _ in readings), key=len), named)


def first_fields(data: text.Data, *, final: bool) -> list[str]:
    """What stands in the first record of the file that begins with `data`, for a person who is to say which column is
    which: read under the delimiter that gives the most fields. Nothing when there is no whole record."""
    encoding, bom = text.by_bom(data)
    head = data[bom : bom + HEAD_BYTES]
    if encoding != text.UTF8:
        head = text.to_utf8(head, encoding, final=final)
    readings = [_first_record(head, delimiter, final=final)[0] for delimiter in DELIMITERS]
    return [text.decode(field.encode("latin-1")) for field in max(readings, key=len)]


def _first_record(head: text.Data, delimiter: str, *, final: bool) -> tuple[list[str], int]:
    """The first record that is not a blank line, with the offset of its end; no fields when `head` holds none whole."""
    for record in records.read(head, delimiter, final=final):
        if record.fields:
            return record.fields, record.end
    return [], 0


def _is_row(fields: list[str], *, amounts: bool) -> bool:
    if len(fields) != len(USUAL_HEADER):
        return False
    department, day, sales = (field.encode("latin-1") for field in fields)
    rule = rules.amount if amounts else rules.whole
    return None not in (rules.department(department), rules.month(day), rule(sales))


def _unreadable(fields: list[str], named: columns.Named | None) -> EngineError:
    """What is wrong with a file whose first record is `fields`."""
    if any("\0" in field for field in fields):
        return _not_csv()
    shown = ", ".join(text.decode(field.encode("latin-1"))[:40] for field in fields[:20])
    names = columns.asked(named or {})
    asked = f" (columns asked for: {', '.join(names)})" if names else ""
    return EngineError(
        "missing_columns",
        f"No columns for department and sales were found{asked}. The first line reads: {shown}. "
        "Name the columns “Department Name”, “Date” and “Number of Sales”, or say which column is which.",
    )


def _empty() -> EngineError:
    return EngineError("empty_file", "The file is empty. Export it again and check that it has rows.")


def _not_csv() -> EngineError:
    return EngineError("not_csv", "This does not look like a CSV file. Export the table as CSV and upload that.")
