"""What every way of folding a block of records is given, and what it gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from reports.engine.limits import DEFAULT, Limits
from reports.engine.partial import Partial


class Carry:
    """Totals that stay in the kernel's tables from window to window, which saves making the tables anew for each."""

    def __init__(self) -> None:
        self.tables: list[Any] = []

    def settle(self, partial: Partial) -> None:
        """Move all of them to `partial`."""
        while self.tables:
            self.tables.pop().take(partial)


@dataclass(frozen=True)
class Means:
    """What folding may use: `threads` at once (0: one a core), within `limits`. With a `carry`, totals may go there
    instead of into the partial.
    """

    limits: Limits = DEFAULT
    threads: int = 0
    carry: Carry | None = None


class BadRow(NamedTuple):
    """The row number `row` (from 0, in its block), ``data[start:end]``, and its faults.

    Of a row that is too long, `end` is where it became so.
    """

    start: int
    end: int
    row: int
    faults: int


@dataclass(frozen=True)
class Block:
    """Records up to `end` were folded into `partial`; `bad` are the first bad ones, as many as were asked for.

    `skipping` says that the last one is too long and that its last line is not over: what follows up to a line end
    belongs to it.
    """

    end: int
    partial: Partial
    bad: Sequence[BadRow]
    skipping: bool = False
