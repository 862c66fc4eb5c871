"""One row, judged in plain Python: what every faster way must agree with, and falls back on."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

from reports.engine import faults, rules
from reports.engine.layout import Layout
from reports.engine.numbers import Number

V = TypeVar("V")

# Between the fields of a name made of several; inside a field ESCAPE follows the first byte, so names stay distinct.
SEPARATOR = b"\x1f\x00"
ESCAPED = b"\x1f\x01"


class Row(NamedTuple):
    """A good row: the department's bytes, its sales, and its month since the year 0, or -1 where there is no date."""

    name: bytes
    sales: Number
    month: int


def join(fields: Sequence[bytes]) -> bytes:
    """The name of a department that is made of several fields."""
    return SEPARATOR.join(field.replace(b"\x1f", ESCAPED) for field in fields) if len(fields) > 1 else fields[0]


def split(name: bytes, fields: int) -> list[bytes]:
    """The fields of a name that `join` made."""
    return [field.replace(ESCAPED, b"\x1f") for field in name.split(SEPARATOR)] if fields > 1 else [name]


class Judge:
    """Judges rows of one layout, remembering the values it has seen: columns repeat."""

    def __init__(self, layout: Layout) -> None:
        self._width = layout.width
        self._columns = layout.columns
        self._department = _remembering(rules.department)
        self._month = _remembering(rules.month)
        self._sales: Callable[[str], Number | None] = _remembering(rules.amount if layout.amounts else rules.whole)

    def row(self, fields: Sequence[str]) -> Row | int:
        """The row whose `fields`, bytes read as Latin-1, these are; or its faults."""
        if len(fields) != self._width:
            return faults.FIELDS
        columns, found = self._columns, 0
        names = [self._department(fields[column]) for column in columns.department]
        if None in names:
            found |= faults.DEPARTMENT
        month = -1 if columns.date is None else self._month(fields[columns.date])
        if month is None:
            found |= faults.DATE
        sales = self._sales(fields[columns.sales])
        if sales is None:
            found |= faults.SALES
        if found or month is None or sales is None:
            return found
        return Row(join([name for name in names if name is not None]), sales, month)


def _remembering(rule: Callable[[bytes], V | None]) -> Callable[[str], V | None]:
    return lru_cache(maxsize=65536)(lambda value: rule(value.encode("latin-1")))
