"""Where records begin, told from the middle of a file."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.engine import Layout, detect_layout
from reports.engine.cuts import record_start
from tests.files import HEADER, sales_csv

LINES = b"".join(b"Toys %d,2024-01-%02d,%d\n" % (row, row % 28 + 1, row) for row in range(100))
# Names over several lines, with quotes and delimiters in them.
QUOTED = b"".join(
    b'"Toys, ""%d""\nand more,\n%s",2024-01-%02d,%d\r\n' % (row, b"x" * (row % 17), row % 28 + 1, row)
    for row in range(200)
)


def layout_of(data: bytes) -> Layout:
    layout = detect_layout(data, final=True)
    assert layout is not None
    return layout


PLAIN = layout_of(HEADER.encode())


def beginnings(data: bytes, end: bytes) -> set[int]:
    """Where records begin whose last line ends so, as no other line does."""
    return {place + len(end) for place in range(len(data)) if data.startswith(end, place)}


@pytest.mark.parametrize("place", range(0, 60, 7))
def test_without_quotes_a_record_begins_behind_the_next_line_end(place: int) -> None:
    found = record_start(LINES[place:], PLAIN)
    assert found is not None
    assert place + found == LINES.index(b"\n", place) + 1


@given(st.integers(0, len(QUOTED) - 1500))
def test_from_anywhere_in_quoted_names_of_many_lines_the_next_record_is_found(place: int) -> None:
    found = record_start(QUOTED[place : place + 1500], PLAIN)
    assert found is not None
    assert place + found in beginnings(QUOTED, b"\r\n")
    assert found <= 200


def test_a_few_bad_rows_do_not_mislead_it() -> None:
    data = sales_csv(200, bad_every=5).replace(b"many", b'"many",more')
    place = data.index(b"more") + 1
    assert place + (record_start(data[place:], PLAIN) or 0) == data.index(b"\n", place) + 1


@pytest.mark.parametrize(
    "data",
    [b"no line end", b"", b"only half a line end\r", b'"' * 1000, b'"a\n' * 500, random.Random(1).randbytes(5000)],
)
def test_where_it_cannot_be_told_it_says_so(data: bytes) -> None:
    assert record_start(data, PLAIN) is None


def test_a_line_end_is_not_looked_for_in_utf_16() -> None:
    """There a byte of 10 may be half of another character."""
    layout = layout_of("\ufeffDepartment,Sales\n".encode("utf-16-le"))
    assert record_start("a\nb,1\nc,2\n".encode("utf-16-le"), layout) is None
