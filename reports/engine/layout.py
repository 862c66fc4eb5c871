"""How a file is written: encoding, delimiter, header, columns. Found once, from the file's first bytes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from reports.engine import columns, rules, text
from reports.engine.columns import Columns
from reports.engine.heading import missing_columns, read_heading

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
        """A layout of any version. The first stored one department column, as a number, and had no amounts."""
        if stored["version"] not in (1, 2):
            raise ValueError(f"unknown layout version {stored['version']}")
        header, found = stored["header"], dict(stored["columns"])
        department = found.pop("department")
        return cls(
            encoding=stored["encoding"],
            delimiter=stored["delimiter"],
            header=None if header is None else tuple(header),
            width=stored["width"],
            columns=Columns(department=(department,) if isinstance(department, int) else tuple(department), **found),
            data_start=stored["data_start"],
            amounts=stored.get("amounts", False),
        )


def detect_layout(
    data: text.Data, *, final: bool, named: columns.Named | None = None, amounts: bool = False
) -> Layout | None:
    """The layout of the file that begins with `data`; `final` says that this is all of it.

    None when `data` does not hold the first record whole and more could follow: ask again with more.

    The delimiter is the first of `DELIMITERS` under which the first record makes sense: as a header with the columns
    needed (`named` as in `columns.find`), else as a row of a file without a header. Raises `EngineError`
    (``empty_file``, ``not_csv``, ``missing_columns``, ``too_many_columns``).
    """
    heading = read_heading(data, final=final)
    if heading is None:
        return None
    for reading in heading.usable:
        found = columns.find(reading.names, named)
        if found:
            names = reading.names
            return Layout(heading.encoding, reading.delimiter, names, len(names), found, reading.end, amounts)
    for reading in heading.usable:
        if not named and _is_row(reading.fields, amounts=amounts):
            width = len(reading.fields)
            return Layout(heading.encoding, reading.delimiter, None, width, BY_POSITION, heading.start, amounts)
    raise missing_columns(
        heading,
        "department and sales",
        "Name the columns “Department Name”, “Date” and “Number of Sales”, or say which column is which.",
        columns.asked(named or {}),
    )


def _is_row(fields: list[str], *, amounts: bool) -> bool:
    if len(fields) != len(USUAL_HEADER):
        return False
    department, day, sales = (field.encode("latin-1") for field in fields)
    rule = rules.amount if amounts else rules.whole
    return None not in (rules.department(department), rules.month(day), rule(sales))
