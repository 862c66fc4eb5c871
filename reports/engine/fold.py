"""Folding one window: its whole records into a `Partial`, and its bad rows into lines of the report.

Three ways to the same answer. The compiled one reads anything, where it can be had. Without it, a window without a
quote is parsed by pyarrow, and one with quotes goes record by record through Python's `csv` module.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from reports.engine import acceleration, arrow, exact, records, rejects, text
from reports.engine.blocks import Block, Means
from reports.engine.layout import Layout
from reports.engine.partial import Partial
from reports.engine.text import Data

# Record by record is slow and holds the interpreter; so much at a time keeps checkpoints frequent and others waiting
# little.
EXACT_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Before:
    """What came before a window: rows, of which so many were bad.

    `skipping` says that the last of them was too long and that its last line goes on in this window.
    """

    rows: int = 0
    bad_rows: int = 0
    skipping: bool = False


@dataclass(frozen=True)
class Window:
    """`consumed` bytes from the window's beginning were folded; 0 means that its first record does not end in it.

    `rejected` are the report's lines of its first bad rows, as many as there is room for. `skipping` is for the next
    window's `Before`.
    """

    consumed: int
    partial: Partial
    rejected: Sequence[bytes] = ()
    skipping: bool = False

    def after(self, before: Before) -> Before:
        """What comes before the next window."""
        return Before(before.rows + self.partial.rows, before.bad_rows + self.partial.bad_rows, self.skipping)


START = Before()
MEANS = Means()


def fold(data: Data, layout: Layout, *, final: bool, before: Before = START, means: Means = MEANS) -> Window:
    """Fold the whole records at the beginning of `data`, which begins at a record's beginning, or where the window
    before left off within a record that is too long.

    `final` says that the file ends with `data`; then everything is consumed, sooner or later: call again with the rest
    until nothing is left.
    """
    if layout.encoding == text.UTF8:
        window = _fold(data, layout, final, before, means)
        window.partial.utf8 = text.is_utf8(data, window.consumed)
        return window
    converted = text.to_utf8(data, layout.encoding, final=final)
    window = _fold(converted, layout, final, before, means)
    whole = final and window.consumed == len(converted)
    consumed = len(data) if whole else text.size_in(converted[: window.consumed], layout.encoding)
    return replace(window, consumed=consumed)


def _fold(data: Data, layout: Layout, final: bool, before: Before, means: Means) -> Window:
    start, skipping = 0, before.skipping
    if skipping:
        start, ended = records.line_end(data, 0)
        if not ended:
            consumed = len(data) if final else text.whole_characters(data)
            return Window(consumed, Partial.of(layout), skipping=not final)
    merged, end = Partial.of(layout), start
    rejected: list[bytes] = []
    room = max(means.limits.listed_rows(layout.width) - before.bad_rows, 0)
    for block in _blocks(data, start, layout, final=final, means=means, room=room):
        bad = block.bad[:room]
        room -= len(bad)
        rejected += rejects.lines(data, bad, layout, first=before.rows + merged.rows)
        merged.merge(block.partial)
        end, skipping = block.end, block.skipping
    if skipping:
        # What is left of the line may begin in the middle of a character, which the next window must see whole.
        end = text.whole_characters(data)
    merged.check(means.limits)
    return Window(end, merged, rejected, skipping)


def _blocks(data: Data, start: int, layout: Layout, *, final: bool, means: Means, room: int) -> Iterator[Block]:
    """What comes of `data` from `start` on, in order."""
    if compiled := acceleration.compiled():
        yield compiled.fold_window(data, start, layout, final=final, means=means, room=room)
        return
    limits = means.limits
    end = len(data) if final else max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    if b'"' in data or end <= start:
        yield exact.fold_block(data, start, start + EXACT_BYTES, layout, final=final, limits=limits)
        return

    def fold_piece(piece: tuple[int, int]) -> Block:
        return arrow.fold_block(data, *piece, layout, limits=limits)

    with ThreadPoolExecutor(means.threads or os.cpu_count()) as pool:
        yield from pool.map(fold_piece, arrow.pieces(data, start, end, limits))
