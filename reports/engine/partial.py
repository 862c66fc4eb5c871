"""What folding a part of a file gives, and what partials merge into."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa

from reports.engine import faults, text
from reports.engine.judge import Row, split
from reports.engine.layout import Layout
from reports.engine.limits import Limits
from reports.engine.numbers import AMOUNT_SCALE, Number
from reports.engine.sums import Sums
from reports.engine.totals import SCHEMA, Totals, too_many_digits

_VERSION = "2"


class Total(NamedTuple):
    """A line of the result: the department (its name in each of the columns grouped by), its sales, its rows."""

    names: tuple[str, ...]
    sales: Number
    rows: int


class Month(NamedTuple):
    """The sales and rows of a month, written ``YYYY-MM``."""

    month: str
    sales: Number
    rows: int


@dataclass
class Partial:
    """Counts and exact totals of some rows: ``rows = good + bad_rows``.

    `places` is how many digits the file writes behind the point. `utf8` is False once a byte has been seen that is not
    UTF-8; then the whole file is read as Windows-1252.
    """

    rows: int = 0
    faults: Counter[int] = field(default_factory=Counter)
    utf8: bool = True
    places: int = 0
    months: Sums[int] = field(default_factory=Sums)
    totals: Totals = field(default_factory=Totals)

    @classmethod
    def of(cls, layout: Layout) -> "Partial":
        """An empty one for files of this layout."""
        return cls(totals=Totals(AMOUNT_SCALE if layout.amounts else 0))

    @property
    def bad_rows(self) -> int:
        return self.faults.total()

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows have each fault, by its code. A row may have several."""
        counted: Counter[str] = Counter()
        for found, rows in self.faults.items():
            counted.update(dict.fromkeys(faults.codes(found), rows))
        return dict(counted)

    def add(self, row: Row) -> None:
        """Add a good row's sales; `rows` is counted by the caller."""
        self.totals.loose.add(row.name, row.sales)
        if row.month >= 0:
            self.months.add(row.month, row.sales)
        if isinstance(row.sales, Decimal):
            self.places = max(self.places, -int(row.sales.as_tuple().exponent))

    def merge(self, other: "Partial") -> None:
        """Add `other` to this one. Order does not matter: the sums are exact."""
        if self.totals.scale != other.totals.scale:
            raise ValueError("partials of different options do not merge")
        self.rows += other.rows
        self.faults.update(other.faults)
        self.utf8 &= other.utf8
        self.places = max(self.places, other.places)
        self.months.merge(other.months)
        self.totals.merge(other.totals)

    def check(self, limits: Limits) -> None:
        """Raise `EngineError` when there are more departments, or more digits, than the limits allow.

        Each total is written with as many places as any row has, so a single row could make a result many times as
        large as its file.
        """
        self.totals.check(limits)
        totals = self.totals.count + len(self.months)
        if totals * self.places + self.months.digit_bytes > limits.digit_bytes:
            raise too_many_digits()

    def departments(self, *, columns: int = 1) -> Iterator[Total]:
        """Every department with its total, sorted by name; `columns` is the number of columns grouped by."""
        if columns == 1 and self.utf8 and (ordered := self.totals.ordered()) is not None:
            yield from (Total((name,), sales, rows) for name, sales, rows in ordered)
            return
        named: Sums[tuple[str, ...]] = Sums()
        for name, sales, rows in self.totals.items():
            # Two byte strings may read alike once undecodable bytes are replaced; they are one department then.
            named.add(tuple(text.decode(part, utf8=self.utf8) for part in split(name, columns)), sales, rows)
        for names, (sales, rows) in sorted(named.items()):
            yield Total(names, sales, rows)

    def by_month(self) -> Iterator[Month]:
        """Every month that has rows, in order."""
        for month, (sales, rows) in sorted(self.months.items()):
            yield Month(f"{month // 12:04}-{month % 12 + 1:02}", sales, rows)

    def encode(self) -> bytes:
        """A compact form for a checkpoint, readable by any process of this or a later version: an Arrow stream."""
        columns = self.totals.columns()
        state = {
            "version": _VERSION,
            "rows": self.rows,
            "faults": dict(self.faults),
            "utf8": self.utf8,
            "places": self.places,
            "scale": self.totals.scale,
            "months": [(month, str(sales), rows) for month, (sales, rows) in self.months.items()],
            "bytes": columns.nbytes,
            "loose": [(name.decode("latin-1"), str(s), rows) for name, (s, rows) in self.totals.loose.items()],
        }
        sink = pa.BufferOutputStream()
        schema = columns.schema.with_metadata({"salesagg": json.dumps(state, separators=(",", ":"))})
        with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
            writer.write_table(columns)
        return bytes(sink.getvalue())

    @staticmethod
    def unpacked_bytes(encoded: bytes) -> int:
        """How much memory the totals of an encoded state take, from its head alone. States are compressed, and names
        that repeat a letter take a thousandth."""
        with pa.ipc.open_stream(encoded) as stream:
            state = json.loads(stream.schema.metadata[b"salesagg"])
        # An earlier version did not write it down.
        return int(state.get("bytes", 64 * len(encoded)))

    @classmethod
    def decode(cls, encoded: bytes) -> "Partial":
        with pa.ipc.open_stream(encoded) as stream:
            state = json.loads(stream.schema.metadata[b"salesagg"])
            if state["version"] != _VERSION:
                raise ValueError(f"unknown checkpoint version {state['version']!r}")
            table = stream.read_all().replace_schema_metadata(None)
        if table.schema != SCHEMA:
            raise ValueError("not a checkpoint of totals")
        partial = cls(
            rows=state["rows"],
            faults=Counter({int(found): rows for found, rows in state["faults"].items()}),
            utf8=state["utf8"],
            places=state["places"],
            totals=Totals(state["scale"]),
        )
        number = Decimal if state["scale"] else int
        for month, sales, rows in state["months"]:
            partial.months.add(month, number(sales), rows)
        for name, sales, rows in state["loose"]:
            partial.totals.loose.add(name.encode("latin-1"), number(sales), rows)
        if table.num_rows:
            partial.totals.add_table(table)
        return partial
