"""The engine against the reference, on ordinary, dirty and hostile files, with and without the compiled kernel."""

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reports.engine import Aggregator, EngineError, Limits, Partial, acceleration, arrow, text
from reports.engine.layout import detect_layout
from tests.files import HEADER, sales_csv
from tests.reports.engine import reference

assert acceleration.load(), "the development environment has numba"
from reports.engine import compiled, kernel, table  # noqa: E402  # they can be imported only where that is so

KERNEL = acceleration.compiled()
WAYS = ("compiled", "arrow")
# How many hostile files to draw; `ENGINE_EXAMPLES=200000` takes an hour or so.
EXAMPLES = int(os.environ.get("ENGINE_EXAMPLES", "500"))


@contextmanager
def folding(way: str, *, block_bytes: int | None = None) -> Iterator[None]:
    """Fold in this way; with `block_bytes`, cut windows into such small blocks and let all room be too small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acceleration, "_loaded", KERNEL if way == "compiled" else None)
        if block_bytes:
            patch.setattr(compiled, "MIN_BLOCK_BYTES", block_bytes)
            patch.setattr(arrow, "PIECE_BYTES", block_bytes)
            patch.setattr(compiled, "_free", [])
            patch.setattr(table, "_FIRST_ENTRIES", 1)
            patch.setattr(table, "_FIRST_ARENA", 1)
            patch.setattr(table, "_BAD_ROOM", 1)
            patch.setattr(table, "_QUEUE_FROM", 2)
            patch.setattr(table, "_SCRATCH_ROOM", 8)
        yield


@dataclass
class Run:
    """How a file is aggregated."""

    way: str = "compiled"
    window: int = 1 << 20
    block: int | None = None
    threads: int = 2
    longest: int = Limits.record_bytes
    named: Mapping[str, Sequence[str]] | None = None
    amounts: bool = False
    # Sizes of the pieces the file comes in, used over and over. Each piece is fed to a new aggregator.
    pieces: list[int] = field(default_factory=list)

    def aggregate(self, data: bytes) -> tuple[Partial, bytes, Aggregator]:
        """The result and the report of rejected rows."""
        rejected: list[bytes] = []
        options: dict[str, Any] = {
            "named": self.named,
            "amounts": self.amounts,
            "window_bytes": self.window,
            "limits": Limits(record_bytes=self.longest),
            "threads": self.threads,
            "rejected": rejected.append,
        }
        with folding(self.way, block_bytes=self.block):
            aggregator = Aggregator(**options)
            fed = 0
            while fed < len(data) and self.pieces:
                for size in self.pieces:
                    aggregator.feed(data[fed : fed + size])
                    fed += size
                    # Another process goes on from what the first one knew.
                    aggregator = Aggregator(**options, state=aggregator.state())
                    aggregator.feed(data[aggregator.position : fed])
            if not self.pieces:
                aggregator.feed(data)
            result = aggregator.finish()
        return result, b"".join(rejected), aggregator

    def check(self, data: bytes) -> None:
        try:
            expected = reference.aggregate(data, named=self.named, amounts=self.amounts, longest=self.longest)
        except reference.Unreadable as unreadable:
            with pytest.raises(EngineError) as refused:
                self.aggregate(data)
            assert refused.value.code == str(unreadable)
            return
        result, report, aggregator = self.aggregate(data)
        assert aggregator.layout is not None
        columns = len(aggregator.layout.columns.department)
        assert {t.names: (t.sales, t.rows) for t in result.departments(columns=columns)} == expected.departments
        assert {m.month: (m.sales, m.rows) for m in result.by_month()} == expected.months
        assert (result.rows, result.bad_rows) == (expected.rows, len(expected.rejected))
        told = io.StringIO(text.decode(report, utf8=result.utf8), newline="")
        assert list(csv.reader(told)) == expected.rejected


H = HEADER.encode()
DIRTY = {
    "ordinary": sales_csv(500, bad_every=7),
    "quoted": H + b'"A, B",2024-01-01,1\n"C ""d""",2024-01-02,2\n"E\nF",2024-01-03,3\n',
    "stray quotes": H + b'5" pipe,2024-01-01,1\nA"B"C,2024-01-01,2\n"A"B,2024-01-01,3\n',
    "unterminated quote": H + b'A,2024-01-01,1\n"B,2024-01-01,2\nC,2024-01-01,3\n',
    "byte order mark": b"\xef\xbb\xbf" + H + b"A,2024-01-01,1\n",
    "byte order mark inside": H + b"A,2024-01-01,1\n\xef\xbb\xbfA,2024-01-01,1\n",
    "utf-16 le": b"\xff\xfe" + (HEADER + "Käse,2024-01-01,1\nÄ,2024-01-01,2\n").encode("utf-16-le"),
    "utf-16 be": b"\xfe\xff" + (HEADER + "Käse,2024-01-01,1\nÄ,2024-01-01,2\n").encode("utf-16-be"),
    "windows-1252": H + "Käse – €,2024-01-01,1\n".encode("windows-1252"),
    "utf-8 names in a file that is not": H + "€,2024-01-01,1\n".encode() * 9 + b"\x80,2024-01-01,1\n",
    "utf-8": H + "Käse – €,2024-01-01,1\n".encode(),
    "crlf": H.replace(b"\n", b"\r\n") + b"A,2024-01-01,1\r\nB,2024-01-01,2\r\n",
    "lone cr": H.replace(b"\n", b"\r") + b"A,2024-01-01,1\rB,2024-01-01,2\r",
    "mixed line ends": H + b"A,2024-01-01,1\r\nB,2024-01-01,2\rC,2024-01-01,3\n\r\n\r\r\nD,2024-01-01,4",
    "no newline at the end": H + b"A,2024-01-01,1",
    "header only": H,
    "header without newline": H.rstrip(),
    "empty": b"",
    "blank lines only": b"\n\r\n\n",
    "byte order mark only": b"\xef\xbb\xbf",
    "nul bytes": H + b"A\0B,2024-01-01,1\n\0,2024-01-01,2\nA,2024-01-01,\0\n",
    "long field": H + b"x" * 3_000_000 + b",2024-01-01,1\n",
    "long quoted field": H + b'"' + b"x\n" * 600_000 + b'",2024-01-01,1\n',
    "spaces": H + b"  A  , 2024-01-01 ,\t7 \nA,2024-01-01,1\n   ,2024-01-01,1\n",
    "blank lines": H + b"\n\nA,2024-01-01,1\n\n   \nB,2024-01-01,2\n\n",
    "too few and too many fields": H + b"A,2024-01-01\nA,2024-01-01,1,x\nA\nA,2024-01-01,1\n",
    "large numbers": H + b"A,2024-01-01," + b"9" * 20 + b"\nA,2024-01-01," + b"9" * 40 + b"\nA,2024-01-01,1\n",
    "a large number in a bad row": H + b"A,never," + b"9" * 20 + b"\n",
    "sum beyond 64 bits": H + b"A,2024-01-01,9223372036854775807\n" * 3,
    "not whole numbers": H
    + b"".join(
        b"A,2024-01-01,%s\n" % value.encode()
        for value in ("1.5", "1e3", "+5", "-5", "٣", "1_000", "NaN", "", "0x10", "007", "1 0", "0")
    ),
    "not days": H
    + b"".join(
        b"A,%s,1\n" % value.encode()
        for value in (
            "2023-02-30",
            "20230101",
            "2023-1-1",
            "2024-02-29",
            "2023-02-29",
            "0000-01-01",
            "",
            "2023-01-01T00",
        )
    ),
    "no header": b"A,2024-01-01,1\nB,2024-01-02,2\nA,x,3\n",
    "semicolons": b"Dept;Sales\nA;1\nB;2\n",
    "tabs": b"Department\tSale_Date\tQuantity\nA\t2024-01-01\t1\n",
    "bars": b"id|dept|x|number-of-sales\n1|A|y|5\n",
    "other columns": b"id,DEPARTMENT NAME,note,date,Number of Sales\n1,A,n,2024-01-01,5\n2,B,,2024-13-01,5\n",
    "nothing but bad rows": H + b"A,2024-01-01,x\nA,yesterday,1\n,2024-01-01,1\nA,B\n" * 50,
    "several faults in a row": H + b" ,2024-13-01,1.5\n",
    "one column twice": b"Dept,Dept,Sales\nA,B,1\n",
    "columns missing": b"a,b,c\n1,2,3\n",
    "binary": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
}


@pytest.mark.parametrize(("window", "block"), [(64, None), (1000, 50), (1 << 20, 300), (1 << 20, None)])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", DIRTY)
def test_it_agrees_with_the_reference(name: str, way: str, window: int, block: int | None) -> None:
    Run(way=way, window=window, block=block).check(DIRTY[name])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", DIRTY)
def test_it_agrees_on_amounts(name: str, way: str) -> None:
    Run(way=way, amounts=True).check(DIRTY[name])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", DIRTY)
def test_it_agrees_when_dates_are_not_to_be_checked(name: str, way: str) -> None:
    Run(way=way, named={"date": ""}).check(DIRTY[name])


def test_without_a_date_column_no_date_is_wrong_and_no_month_is_told() -> None:
    result, rejected, _ = Run(named={"date": ""}).aggregate(HEADER.encode() + b"A,never,1\nA,2024-01-01,x\n")
    assert (result.rows, result.bad_rows, list(result.by_month())) == (2, 1, [])
    assert b"date is not" not in rejected


def test_a_column_that_is_needed_cannot_be_none() -> None:
    with pytest.raises(EngineError) as refused:
        Run(named={"sales": ""}).aggregate(HEADER.encode() + b"A,2024-01-01,1\n")
    assert refused.value.code == "missing_columns"
    assert "asked for" not in str(refused.value)


FIELD = st.one_of(
    st.sampled_from(
        ["A", "B", " A ", "", "2024-01-01", "2024-02-30", "1", "7", "-1", "9" * 18, "9" * 20, "9" * 30, "x,y", "\x1f"]
    ),
    st.sampled_from(["1.5", "-.25", "0.0000001", "5.", "-", "1" * 13 + ".5", "-0", "1.2.3", "+1"]),
    st.text(alphabet='A1é €"\n\r,;\t\0 -.', max_size=6),
)
QUOTED = FIELD.map(lambda field: '"' + field.replace('"', '""') + '"')
ROW = st.one_of(
    st.builds("{},2024-{:02}-0{},{}".format, st.sampled_from("ABC"), st.integers(1, 12), st.integers(1, 9), FIELD),
    st.builds("{},2024-01-0{},{}".format, st.sampled_from("ABC"), st.integers(1, 9), st.integers(0, 10**20)),
    st.builds('"{}","2024-01-0{}","{}"'.format, st.sampled_from("ABC"), st.integers(1, 9), st.integers(0, 99)),
    st.lists(st.one_of(FIELD, QUOTED), min_size=1, max_size=4).map(",".join),
)
END = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def hostile_files(draw: st.DrawFn) -> bytes:
    head = draw(st.sampled_from([HEADER, HEADER, "", "Dept,Sales\n", "\n" + HEADER]))
    body = "".join(row + draw(END) for row in draw(st.lists(ROW, max_size=12))) * draw(st.sampled_from([1, 1, 8]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "windows-1252", "utf-8-sig", "utf-16"]))
    data = (head + body).encode(encoding, "replace")
    data += draw(st.binary(max_size=4)) if draw(st.booleans()) else b""
    cut = draw(st.integers(0, 3))
    return data[: len(data) - cut] if cut else data


RUNS = st.builds(
    Run,
    way=st.sampled_from(WAYS),
    window=st.integers(1, 200),
    block=st.sampled_from([None, 1, 8, 20]),
    threads=st.integers(1, 4),
    longest=st.one_of(st.just(Limits.record_bytes), st.integers(1, 80)),
    named=st.sampled_from(
        [None, None, None, {"department": ["Department Name", "Date"]}, {"date": ["date"]}, {"date": ""}]
    ),
    amounts=st.booleans(),
    pieces=st.lists(st.integers(1, 100), max_size=3),
)


@pytest.mark.timeout(EXAMPLES)  # a second each, some thirty times what they take
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=hostile_files(), run=RUNS)
@example(data=b'A,2024-01-01,1\n"', run=Run(window=1))
@example(data=b'A,2024-01-01,1\n"123456\r"\n', run=Run(longest=9))
@example(data=b'A,2024-01-01,1\n"123456\r\n', run=Run(longest=9))
def test_it_agrees_with_the_reference_on_hostile_files(data: bytes, run: Run) -> None:
    run.check(data)


def test_names_hash_differently_in_each_table() -> None:
    """So nobody can make a file whose names are known to have equal hashes."""
    data = sales_csv(2000, departments=40)
    layout = detect_layout(data, final=True)
    assert layout is not None
    hashes = []
    for _ in range(2):
        made = table.Table()
        made.fold(data, layout.data_start, len(data), layout, final=True, limits=Limits())
        hashes.append(set(made._entries[: made._get(kernel.ENTRIES_USED), kernel.HASH // 8].tolist()))
    assert len(hashes[0]) == 40
    assert hashes[0].isdisjoint(hashes[1])
