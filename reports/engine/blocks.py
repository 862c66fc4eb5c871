"""What every way of folding a block of records gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reports.engine.partial import Partial


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
