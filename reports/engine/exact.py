"""Folding record by record with Python's `csv` module: any bytes, slowly."""

from reports.engine import faults, records
from reports.engine.blocks import BadRow, Block
from reports.engine.judge import Judge
from reports.engine.layout import Layout
from reports.engine.limits import Limits
from reports.engine.partial import Partial
from reports.engine.text import Data


def fold_block(data: Data, start: int, stop: int, layout: Layout, *, final: bool, limits: Limits) -> Block:
    """Fold the records that begin in ``[start, stop)``; `start` is a record's beginning."""
    partial, bad, skipping = Partial.of(layout), [], False
    judge = Judge(layout)
    end = start
    longest = limits.record_bytes
    for record in records.read(data, layout.delimiter, start=start, stop=stop, final=final, longest=longest):
        end = record.end
        if record.fields == []:
            continue
        judged = faults.TOO_LONG if record.fields is None else judge.row(record.fields)
        if isinstance(judged, int):
            shown = end if record.fields else record.start + limits.record_bytes
            bad.append(BadRow(record.start, shown, partial.rows, judged))
            partial.faults[judged] += 1
        else:
            partial.add(judged)
        partial.rows += 1
        skipping = record.open
    return Block(end, partial, bad, skipping)
