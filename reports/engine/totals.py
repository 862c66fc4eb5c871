"""Totals per department, by the million: columns of integers instead of Python objects.

A total is ``high * 2**LOW_BITS + low`` in units of ``10**-scale``, so that sums of columns cannot wrap. What does not
fit is kept as Python numbers beside them.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from reports.engine.errors import EngineError
from reports.engine.limits import Limits
from reports.engine.numbers import HIGH_LIMIT, LOW_BITS, LOW_MASK, Number, add, from_units, in_units
from reports.engine.sums import Sums

SCHEMA = pa.schema([("name", pa.binary()), ("high", pa.int64()), ("low", pa.int64()), ("rows", pa.int64())])
# Tables are merged when what has been added is as large as what there was, and worth the call.
_MIN_MERGE = 65_536
BATCH_ROWS = 10_000


class Totals:
    """The sum and the number of rows of each name (bytes)."""

    def __init__(self, scale: int = 0) -> None:
        self.scale = scale
        self.loose: Sums[bytes] = Sums()
        self._merged = SCHEMA.empty_table()
        self._added: list[pa.Table] = []

    def add_table(self, table: pa.Table) -> None:
        """Add columns as of `SCHEMA`; `low` may be any number of less than 63 bits, names may repeat."""
        self._added.append(table)

    def merge(self, other: "Totals") -> None:
        self._added += [table for table in (other._merged, *other._added) if table.num_rows]
        self.loose.merge(other.loose)
        if sum(table.num_rows for table in self._added) > max(self._merged.num_rows, _MIN_MERGE):
            self.columns()

    def check(self, limits: Limits) -> None:
        """Raise `EngineError` (``too_many_departments``) when there are more names than the limits allow."""
        table = self.columns()
        size = (pc.sum(pc.binary_length(table["name"])).as_py() or 0) + sum(len(name) for name, _ in self.loose.items())
        if table.num_rows + len(self.loose) > limits.departments or size > limits.name_bytes:
            raise too_many(limits)
        if self.loose.digit_bytes > limits.digit_bytes:
            raise too_many_digits()

    @property
    def count(self) -> int:
        """How many names there are."""
        return int(self.columns().num_rows) + len(self.loose)

    def columns(self) -> pa.Table:
        """All of them as one table of `SCHEMA`, each name once, but for the `loose` ones beside it."""
        self._settle()
        if self._added:
            tables = [_normal(table) for table in self._added]
            table = pa.concat_tables([self._merged, *tables])
            sums = table.group_by("name", use_threads=False).aggregate(
                [("high", "sum"), ("low", "sum"), ("rows", "sum")]
            )
            merged = _normal(sums.select(["name", "high_sum", "low_sum", "rows_sum"]).rename_columns(SCHEMA.names))
            large = pc.greater_equal(pc.abs(merged["high"]), HIGH_LIMIT)
            for name, value, rows in self._python(merged.filter(large)):
                self.loose.add(name, value, rows)
            self._merged, self._added = merged.filter(pc.invert(large)), []
        return self._merged

    def items(self) -> Iterator[tuple[bytes, Number, int]]:
        """Every name with its sum and its number of rows, in no order."""
        loose = Sums(dict(self.loose.items()))
        for name, value, rows in self._python(self.columns()):
            more, more_rows = loose.pop(name) if name in loose else (0, 0)
            yield name, add(value, more), rows + more_rows
        for name, (value, rows) in loose.items():
            yield name, value, rows

    def ordered(self) -> Iterator[tuple[str, Number, int]] | None:
        """The same in order of name, without holding Python objects for all of them; None where it takes more: when
        not all names are UTF-8, or some are loose."""
        table = self.columns()
        if len(self.loose):
            return None
        try:
            table = table.set_column(0, "name", table["name"].cast(pa.string()))
        except pa.ArrowInvalid:
            return None
        # UTF-8 sorts like the characters it stands for.
        return self._python(table.sort_by("name"))

    def _python(self, table: pa.Table) -> Iterator[tuple[Any, Number, int]]:
        for batch in table.to_batches(max_chunksize=BATCH_ROWS):
            for name, high, low, rows in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield name, from_units((high << LOW_BITS) + low, self.scale), rows

    def _settle(self) -> None:
        """Put what is loose and fits into columns."""
        fitting = [
            (name, units >> LOW_BITS, units & LOW_MASK, rows)
            for name, (value, rows) in self.loose.items()
            if (units := in_units(value, self.scale)) is not None
        ]
        if fitting:
            for name, *_ in fitting:
                self.loose.pop(name)
            self._added.append(pa.table(list(zip(*fitting, strict=True)), schema=SCHEMA))


def too_many(limits: Limits) -> EngineError:
    return EngineError(
        "too_many_departments",
        f"The file has more than {limits.departments:,} different departments, or their names are very long. "
        "Is this the right column? Say which column is the department.",
    )


def too_many_digits() -> EngineError:
    return EngineError(
        "too_many_digits",
        "The sales have so many digits that the result would be many times larger than the file. "
        "Is this the right column? Say which column is the sales.",
    )


def _normal(table: pa.Table) -> pa.Table:
    """The same totals with every `low` in ``[0, 2**LOW_BITS)``, so that millions of them add up in 64 bits."""
    low = table["low"]
    high = pc.add(table["high"], pc.shift_right(low, LOW_BITS))
    return pa.table([table["name"], high, pc.bit_wise_and(low, LOW_MASK), table["rows"]], schema=SCHEMA)
