"""What folding a part of a file gives, and what partials merge into."""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from reports.engine import text

_VERSION = b"1"


@dataclass
class Partial:
    """Counts and exact totals of some rows: ``rows = good + bad_rows``. Totals are keyed by the department's bytes.

    `utf8` is False once a byte has been seen that is not UTF-8; then the whole file is read as Windows-1252.
    """

    rows: int = 0
    bad_rows: int = 0
    utf8: bool = True
    totals: dict[bytes, int] = field(default_factory=dict)

    def merge(self, other: "Partial") -> None:
        """Add `other` to this one. Order does not matter: sums of integers."""
        self.rows += other.rows
        self.bad_rows += other.bad_rows
        self.utf8 &= other.utf8
        for name, total in other.totals.items():
            self.totals[name] = self.totals.get(name, 0) + total

    def departments(self) -> Iterator[tuple[str, int]]:
        """Every department with its total, sorted by name."""
        named: dict[str, int] = {}
        for name, total in self.totals.items():
            # Two byte strings may read alike once undecodable bytes are replaced; they are one department then.
            decoded = text.decode(name, utf8=self.utf8)
            named[decoded] = named.get(decoded, 0) + total
        yield from sorted(named.items())

    def encode(self) -> bytes:
        """A compact form for a checkpoint, readable by any process of this or a later version."""
        state = {
            "rows": self.rows,
            "bad_rows": self.bad_rows,
            "utf8": self.utf8,
            "totals": {name.decode("latin-1"): total for name, total in self.totals.items()},
        }
        return _VERSION + zlib.compress(json.dumps(state, separators=(",", ":")).encode(), level=1)

    @classmethod
    def decode(cls, encoded: bytes) -> "Partial":
        if encoded[:1] != _VERSION:
            raise ValueError(f"unknown checkpoint version {encoded[:1]!r}")
        state = json.loads(zlib.decompress(encoded[1:]))
        totals = {name.encode("latin-1"): total for name, total in state["totals"].items()}
        return cls(rows=state["rows"], bad_rows=state["bad_rows"], utf8=state["utf8"], totals=totals)
