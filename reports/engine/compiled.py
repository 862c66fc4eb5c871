"""Folding with the compiled kernel, several threads a window.

A window with quotes is cut on speculation: at line ends that would be outside quotes if every quote opened, closed or
was half of a doubled one. A stray quote (``5" pipe``) makes that wrong, so each block must end exactly where the next
was begun: a block begun at a record's beginning that ends there proves the next one right, and so on from the first. If
one does not, the window is folded again as one block.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise

import numpy as np

from reports.engine import kernel, records
from reports.engine.blocks import BadRow, Block, Means
from reports.engine.judge import Judge
from reports.engine.layout import Layout
from reports.engine.limits import Limits
from reports.engine.partial import Partial
from reports.engine.table import Array, Folded, Table
from reports.engine.text import Data

# Smaller blocks would cost more to hand out than to fold.
MIN_BLOCK_BYTES = 512 * 1024
# More blocks than threads even out what else the processors do.
BLOCKS_A_THREAD = 2
# So far from the place wanted a cut is looked for.
_CUT_BYTES = 1024 * 1024
_QUOTE = ord('"')

# Tables that nobody uses at the moment.
_free: list[Table] = []


def fold_window(data: Data, start: int, layout: Layout, *, final: bool, means: Means, room: int) -> Block:
    """Fold the whole records of `data` from `start` on. All bad rows are counted, the first `room` returned."""
    threads = means.threads or os.cpu_count() or 1
    quoted = data.find(b'"', start) >= 0
    cuts = _cuts(data, start, threads, quoted=quoted)
    # Speculation may fail, and there is no taking a block out of a table again.
    carried = means.carry is not None and not (quoted and len(cuts) > 2)
    tables = means.carry.tables if means.carry is not None and carried else []
    blocks = _fold(data, cuts, threads, layout, tables, final=final, limits=means.limits)
    if any(block.end != cut for block, cut in zip(blocks, cuts[1:-1], strict=False)):
        tables = []
        blocks = _fold(data, [start, len(data)], 1, layout, tables, final=final, limits=means.limits)
    partial = Partial.of(layout)
    if not carried:
        for table in tables:
            table.take(partial)
        _free.extend(table for table in tables if not table.is_large)
    bad: list[BadRow] = []
    for block in blocks:
        decided = _decide(data, block.bad, layout, partial)
        for faults, count in zip(*np.unique(decided[:, 3], return_counts=True), strict=True):
            partial.faults[int(faults)] += int(count)
        shown = decided[: room - len(bad)]
        shown[:, 2] += partial.rows
        bad += map(BadRow._make, shown.tolist())
        partial.rows += block.rows
    return Block(blocks[-1].end, partial, bad, blocks[-1].skipping)


def _fold(
    data: Data,
    cuts: Sequence[int],
    threads: int,
    layout: Layout,
    tables: list[Table],
    *,
    final: bool,
    limits: Limits,
) -> list[Folded]:
    """Fold each block between two cuts into one of the tables, to which more are added as needed."""
    idle = list(tables)

    def fold(block: tuple[int, int]) -> Folded:
        # Threads take from these lists at the same time; looking first and taking then would be a race.
        try:
            table = idle.pop()
        except IndexError:
            table = _take_free()
            tables.append(table)
        folded = table.fold(data, *block, layout, final=final, limits=limits)
        idle.append(table)
        return folded

    blocks = list(pairwise(cuts))
    if len(blocks) == 1:
        return [fold(blocks[0])]
    return list(_pool(os.getpid(), threads).map(fold, blocks))


def _take_free() -> Table:
    try:
        return _free.pop()
    except IndexError:
        return Table()


def _cuts(data: Data, start: int, threads: int, *, quoted: bool) -> list[int]:
    """Where to cut: `start`, ends of lines that are probably outside quotes, and the end."""
    size = len(data) - start
    count = min(threads * BLOCKS_A_THREAD, size // MIN_BLOCK_BYTES) if threads > 1 else 1
    wanted = [start + size * number // max(count, 1) for number in range(count)][1:]
    view = np.frombuffer(data, np.uint8)
    address = view.ctypes.data
    cuts, counted, inside = [start], start, False
    for place in wanted:
        if place <= cuts[-1]:
            continue
        if quoted:
            inside ^= bool(np.count_nonzero(view[counted:place] == _QUOTE) % 2)
            counted = place
        end = min(place + _CUT_BYTES, len(data))
        cut = kernel.line_start(address + place, address + end, inside) - address
        if cut < end:
            cuts.append(cut)
    return [*cuts, len(data)]


def _decide(data: Data, bad: Array, layout: Layout, partial: Partial) -> Array:
    """The rows that are really bad, after those that the kernel left undecided have been judged in Python."""
    undecided = np.flatnonzero(bad[:, 3] == kernel.UNDECIDED).tolist()
    if not undecided:
        return bad
    judge = Judge(layout)
    for index in undecided:
        start, end = bad[index, :2].tolist()
        record = next(records.read(data[start:end], layout.delimiter, final=True))
        assert record.fields is not None
        judged = judge.row(record.fields)
        if isinstance(judged, int):
            bad[index, 3] = judged
        else:
            partial.add(judged)
            bad[index, 3] = 0
    really: Array = bad[bad[:, 3] != 0]
    return really


@lru_cache(maxsize=4)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Threads of this process; a forked worker does not have its parent's."""
    return ThreadPoolExecutor(threads, thread_name_prefix="fold")
