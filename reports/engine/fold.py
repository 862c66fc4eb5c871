"""Folding one window: its whole records into a `Partial`.

Two ways to the same answer. A window without a quote character is cut at its last line end and parsed by pyarrow; each
column comes as a dictionary, so that a value is judged once however often it occurs. A window with quotes goes record
by record through Python's `csv` module.
"""

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from reports.engine import records, rules, text
from reports.engine.layout import Layout
from reports.engine.partial import Partial

V = TypeVar("V")

# Record by record is slow and holds the interpreter; so much at a time keeps checkpoints frequent and others waiting
# little.
EXACT_BYTES = 4 * 1024 * 1024
INT64_MAX = 2**63 - 1


@dataclass(frozen=True)
class Window:
    """`consumed` bytes from the window's beginning were folded; 0 means that its first record does not end in it."""

    consumed: int
    partial: Partial


def fold(data: bytes, layout: Layout, *, final: bool) -> Window:
    """Fold the whole records at the beginning of `data`, which begins at a record's beginning.

    `final` says that the file ends with `data`; then everything is consumed, sooner or later: call again with the rest
    until nothing is left.
    """
    if layout.encoding == text.UTF8:
        return _fold_utf8(data, layout, final=final)
    converted = text.to_utf8(data, layout.encoding, final=final)
    window = _fold_utf8(converted, layout, final=final)
    # A lone surrogate is the file's own damage, not a sign of another encoding.
    window.partial.utf8 = True
    whole = final and window.consumed == len(converted)
    consumed = len(data) if whole else text.size_in(converted[: window.consumed], layout.encoding)
    return Window(consumed, window.partial)


def _fold_utf8(data: bytes, layout: Layout, *, final: bool) -> Window:
    # pyarrow drops a byte order mark at a block's beginning; in the middle of a file it is data.
    if b'"' not in data and not data.startswith(codecs.BOM_UTF8):
        end = len(data) if final else max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        return Window(end, _fold_plain(data if end == len(data) else data[:end], layout))
    window = _fold_exactly(data[:EXACT_BYTES], layout, final=final and len(data) <= EXACT_BYTES)
    return window if window.consumed or len(data) <= EXACT_BYTES else _fold_exactly(data, layout, final=final)


def _fold_exactly(data: bytes, layout: Layout, *, final: bool) -> Window:
    department = lru_cache(maxsize=65536)(lambda value: rules.department(value.encode("latin-1")))
    day = lru_cache(maxsize=65536)(lambda value: rules.day(value.encode("latin-1")))
    sales = lru_cache(maxsize=65536)(lambda value: rules.sales(value.encode("latin-1")))
    columns, width = layout.columns, layout.width
    partial, consumed = Partial(), 0
    for fields, end in records.read(data, layout.delimiter, final=final):
        consumed = end
        if not fields:
            continue
        partial.rows += 1
        if len(fields) != width:
            partial.bad_rows += 1
            continue
        name, value = department(fields[columns.department]), sales(fields[columns.sales])
        if name is None or value is None or (columns.date is not None and day(fields[columns.date]) is None):
            partial.bad_rows += 1
            continue
        partial.totals[name] = partial.totals.get(name, 0) + value
    partial.utf8 = text.is_utf8(data[:consumed])
    return Window(consumed, partial)


def _fold_plain(data: bytes, layout: Layout) -> Partial:
    """Fold whole records without quotes."""
    if not text.is_utf8(data):
        # pyarrow cannot hand over a row of the wrong width that is not UTF-8. Read as Latin-1 every byte is a
        # character; the names are turned back below.
        partial = _fold_plain(data.decode("latin-1").encode(), layout)
        partial.totals = {name.decode().encode("latin-1"): total for name, total in partial.totals.items()}
        partial.utf8 = False
        return partial
    partial = Partial()
    if not data.strip(b"\r\n"):
        return partial
    table, wrong_width = _parse(data, layout)
    partial.rows = table.num_rows + wrong_width
    partial.bad_rows = wrong_width
    if not table.num_rows:
        return partial
    names, keys = _judge(table, layout.columns.department, rules.department)
    numbers, values = _judge(table, layout.columns.sales, rules.sales)
    good = pc.and_(_is_good(names, keys), _is_good(numbers, values))
    if layout.columns.date is not None:
        good = pc.and_(good, _is_good(*_judge(table, layout.columns.date, rules.day)))
    partial.bad_rows += table.num_rows - (pc.sum(good).as_py() or 0)
    _add_up(partial, names, keys.filter(good), numbers, values.filter(good))
    return partial


def _parse(data: bytes, layout: Layout) -> tuple[pa.Table, int]:
    """The columns that matter, as dictionaries of bytes, and the number of rows with too few or too many fields."""
    wrong_width = 0

    def skip(row: Any) -> str:
        nonlocal wrong_width
        wrong_width += 1
        return "skip"

    columns = layout.columns
    wanted = [str(c) for c in sorted({columns.department, columns.sales, columns.date} - {None})]  # type: ignore[type-var]
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


def _judge(table: pa.Table, column: int, rule: Callable[[bytes], V | None]) -> tuple[list[V | None], pa.Array]:
    """What `rule` makes of each distinct value (None: bad), and for each row the index of its value."""
    values = table.column(str(column)).combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = values.unify_dictionaries().combine_chunks()
    return [rule(value) for value in values.dictionary.to_pylist()], values.indices


def _is_good(judged: list[Any], indices: pa.Array) -> pa.Array:
    return pa.array([value is not None for value in judged], pa.bool_()).take(indices)


def _add_up(partial: Partial, names: list[Any], keys: pa.Array, numbers: list[Any], values: pa.Array) -> None:
    """Add the rows, given as indices into `names` and `numbers`, to the totals."""
    largest = max((number for number in numbers if number is not None), default=0)
    if largest * max(len(values), 1) <= INT64_MAX:
        # No sum can leave 64 bits, where Arrow would wrap silently.
        amounts = pa.array([number or 0 for number in numbers], pa.int64()).take(values)
        sums = (
            pa.table({"key": keys, "value": amounts}).group_by("key", use_threads=False).aggregate([("value", "sum")])
        )
        pairs = zip(sums["key"].to_pylist(), sums["value_sum"].to_pylist(), strict=True)
    else:
        pairs = zip(keys.to_pylist(), (numbers[value] for value in values.to_pylist()), strict=True)
    for key, amount in pairs:
        name = names[key]
        partial.totals[name] = partial.totals.get(name, 0) + amount
