"""Folding records without quotes with pyarrow: the way that works on every machine.

Each column comes as a dictionary, so that a value is judged once however often it occurs.
"""

import codecs
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from reports.engine import exact, faults, judge, records, rules, text
from reports.engine.blocks import BadRow, Block
from reports.engine.layout import Layout
from reports.engine.limits import Limits
from reports.engine.numbers import Number, from_units, in_units
from reports.engine.partial import Partial
from reports.engine.totals import SCHEMA

V = TypeVar("V")
# What a rule made of each distinct value of a column, and for each row the index of its value.
Judged = tuple[list[Any], pa.Array]

# Large enough to be worth a call, small enough that the rows of a piece with bad ones are found again at once.
PIECE_BYTES = 1024 * 1024
_SAFE_SUM = 2**62


def pieces(data: text.Data, start: int, end: int, limits: Limits) -> Iterator[tuple[int, int]]:
    """Cut ``[start, end)``, which ends with a line end or the file, into pieces of whole lines. A line longer than a
    piece, and so perhaps too long, is one by itself."""
    size = max(1, min(PIECE_BYTES, limits.record_bytes))
    while start < end:
        stop = end
        if end - start > size:
            stop = max(data.rfind(b"\n", start, start + size), data.rfind(b"\r", start, start + size)) + 1
            stop = stop or min(records.line_end(data, start + size)[0], end)
        yield start, stop
        start = stop


def fold_block(data: text.Data, start: int, stop: int, layout: Layout, *, limits: Limits) -> Block:
    """Fold the whole lines ``data[start:stop]``, in which there is no quote."""
    piece = data[start:stop]
    # pyarrow drops a byte order mark at a block's beginning; in the middle of a file it is data.
    if len(piece) > limits.record_bytes or piece.startswith(codecs.BOM_UTF8) or len(layout.columns.department) > 1:
        return exact.fold_block(data, start, stop, layout, final=True, limits=limits)
    latin = not text.is_utf8(piece)
    if latin:
        # pyarrow cannot hand over a row of the wrong width that is not UTF-8. Read as Latin-1 every byte is a
        # character; values are turned back before they are judged.
        piece = piece.decode("latin-1").encode()
    partial = Partial.of(layout)
    if not piece.strip(b"\r\n"):
        return Block(stop, partial, [])
    table, wrong = _parse(piece, layout)
    partial.rows = table.num_rows + wrong
    rule: Callable[[bytes], Number | None] = rules.amount if layout.amounts else rules.whole
    names, keys = _judge(table, layout.columns.department[0], rules.department, latin=latin)
    values, sales = _judge(table, layout.columns.sales, rule, latin=latin)
    months, days = _judge(table, layout.columns.date, rules.month, latin=latin)
    found = _faults(faults.DEPARTMENT, names, keys)
    found = pc.bit_wise_or(found, _faults(faults.SALES, values, sales))
    found = pc.bit_wise_or(found, _faults(faults.DATE, months, days))
    good = pc.equal(found, 0)
    bad: list[BadRow] = []
    if wrong or not (pc.all(good).as_py() or not table.num_rows):
        bad = list(_bad_rows(data, start, stop, layout, found.to_pylist()))
        partial.faults.update(row.faults for row in bad)
        keys, sales, days = keys.filter(good), sales.filter(good), days.filter(good)
    _add_up(partial, (names, keys), (values, sales), (months, days))
    return Block(stop, partial, bad)


def _parse(data: text.Data, layout: Layout) -> tuple[pa.Table, int]:
    """The columns that matter, as dictionaries of bytes, and the number of rows with too few or too many fields."""
    wrong_width = 0

    def skip(row: Any) -> str:
        nonlocal wrong_width
        wrong_width += 1
        return "skip"

    columns = layout.columns
    wanted = [str(c) for c in sorted({*columns.department, columns.sales, columns.date} - {None})]  # type: ignore[type-var]
    table = pa.csv.read_csv(
        pa.BufferReader(data),
        read_options=pa.csv.ReadOptions(
            use_threads=False, block_size=len(data) + 1, column_names=[str(i) for i in range(layout.width)]
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=layout.delimiter, quote_char=False, double_quote=False, invalid_row_handler=skip
        ),
        convert_options=pa.csv.ConvertOptions(
            check_utf8=False,
            include_columns=wanted,
            column_types={name: pa.dictionary(pa.int32(), pa.binary()) for name in wanted},
            strings_can_be_null=False,
        ),
    )
    return table, wrong_width


def _judge(
    table: pa.Table, column: int | None, rule: Callable[[bytes], V | None], *, latin: bool
) -> tuple[list[V | None], pa.Array]:
    """What `rule` makes of each distinct value (None: bad), and for each row the index of its value.

    Without a column every row has the value -1.
    """
    if column is None:
        return [-1], pa.repeat(pa.scalar(0, pa.int32()), table.num_rows)  # type: ignore[list-item]
    values = table.column(str(column)).combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = values.unify_dictionaries().combine_chunks()
    distinct = values.dictionary.to_pylist()
    if latin:
        distinct = [value.decode().encode("latin-1") for value in distinct]
    return [rule(value) for value in distinct], values.indices


def _faults(fault: int, judged: list[Any], indices: pa.Array) -> pa.Array:
    return pa.array([0 if value is not None else fault for value in judged], pa.uint8()).take(indices)


def _bad_rows(data: text.Data, start: int, stop: int, layout: Layout, found: list[int]) -> Iterator[BadRow]:
    """The bad rows of a piece, given the faults of those that have the right number of fields."""
    delimiter = layout.delimiter.encode()
    judged = iter(found)
    row = 0
    for line in data[start:stop].splitlines(keepends=True):
        end = start + len(line)
        if line[0] not in b"\r\n":
            row_faults = next(judged) if line.count(delimiter) == layout.width - 1 else faults.FIELDS
            if row_faults:
                yield BadRow(start, end, row, row_faults)
            row += 1
        start = end


def _add_up(partial: Partial, names: Judged, values: Judged, months: Judged) -> None:
    """Add the good rows, given as indices into what was judged."""
    numbers, sales = values
    scale = partial.totals.scale
    units = [0 if number is None else in_units(number, scale) for number in numbers]
    largest = max((abs(unit) if unit is not None else _SAFE_SUM for unit in units), default=0)
    if largest * max(len(sales), 1) >= _SAFE_SUM:
        # A sum could leave 64 bits, where Arrow would wrap silently.
        for name, value, month in zip(names[1].to_pylist(), sales.to_pylist(), months[1].to_pylist(), strict=True):
            partial.add(judge.Row(names[0][name], numbers[value], months[0][month]))
        return
    table = pa.table({"name": names[1], "month": months[1], "units": pa.array(units, pa.int64()).take(sales)})
    keys, totals, rows = _sums(table, "name")
    zeros = pa.repeat(pa.scalar(0, pa.int64()), len(keys))
    partial.totals.add_table(pa.table([pa.array(names[0], pa.binary()).take(keys), zeros, totals, rows], schema=SCHEMA))
    for month, total, count in zip(*(column.to_pylist() for column in _sums(table, "month")), strict=True):
        if months[0][month] >= 0:
            partial.months.add(months[0][month], from_units(total, scale), count)
    if scale:
        used = (numbers[index] for index in pc.unique(sales).to_pylist())
        partial.places = max((-int(number.as_tuple().exponent) for number in used), default=0)


def _sums(table: pa.Table, key: str) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Each value of the `key` column, with the sum of its units and its number of rows."""
    sums = table.group_by(key, use_threads=False).aggregate([("units", "sum"), ("units", "count")]).combine_chunks()
    return sums[key], sums["units_sum"], sums["units_count"]
