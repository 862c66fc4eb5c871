"""Rows as texts, against Python's `csv`: the same ones however the file is cut into windows."""

import os
from collections.abc import Mapping, Sequence
from itertools import cycle

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reports.engine import EngineError, Limits, records, text
from reports.engine import sheet as sheet_module
from reports.engine.sheet import Sheet, detect_sheet, read_rows
from tests.reports.engine import reference

EXAMPLES = int(os.environ.get("ENGINE_EXAMPLES", "500"))
USUAL = {"name": ("name", "fullname"), "email": ("email", "mail"), "phone": ("phone",)}
HEAD = "Name,E-Mail\n"
LONGEST = Limits().record_bytes


def detect(data: bytes, *, final: bool = True, named: Mapping[str, str | Sequence[str]] | None = None) -> Sheet | None:
    return detect_sheet(data, final=final, usual=USUAL, required=["name", "email"], named=named)


def sheet_of(data: bytes) -> Sheet:
    sheet = detect(data)
    assert sheet is not None
    return sheet


class Reading:
    """All rows of a file, read window by window as a worker does."""

    def __init__(self, data: bytes, sizes: Sequence[int], *, longest: int = LONGEST, rows: int = 100_000) -> None:
        sheet = sheet_of(data)
        limits = Limits(record_bytes=longest, window_rows=rows)
        self.rows: list[list[str]] = []
        self.too_long: set[int] = set()
        self.utf8 = True
        position, skipping, final = sheet.data_start, False, False
        turns = cycle(sizes)
        size = next(turns)
        while not (final and position == len(data)):
            final = position + size >= len(data)
            window = data[position : position + size]
            read = read_rows(window, sheet, final=final, skipping=skipping, limits=limits)
            if not read.consumed and not final:
                size *= 2
                continue
            self.too_long |= {len(self.rows) + index for index in read.too_long}
            self.rows += read.rows
            self.utf8 &= read.utf8
            position, skipping = position + read.consumed, read.skipping
            size = next(turns)
        assert (position, skipping) == (len(data), False)


def by_csv(data: bytes, longest: int) -> tuple[list[list[str]], set[int]]:
    """The same by Python's `csv` alone, with all of the file in memory."""
    contents = reference.convert(data)[0].decode("latin-1")
    contents = contents[reference.end_of_first(contents, ",") :]
    rows: list[list[str]] = []
    too_long = set()
    for fields in reference.read(contents, ",", longest):
        if isinstance(fields, str):
            too_long.add(len(rows))
            beginning = fields[: min(longest, 200)].encode("latin-1")
            rows.append([reference.judged_alone(beginning[: text.whole_characters(beginning)].decode("latin-1"))])
        elif fields:
            rows.append([reference.judged_alone(field) for field in fields])
    return rows, too_long


def check(data: bytes, sizes: Sequence[int], *, longest: int = LONGEST) -> None:
    reading = Reading(data, sizes, longest=longest)
    rows, too_long = by_csv(data, longest)
    assert (reading.rows, reading.too_long) == (rows, too_long)
    assert reading.utf8 == Reading(data, [len(data) + 1], longest=longest).utf8
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheet_module, "_PIECE_BYTES", 16)
        few = Reading(data, [len(data) + 1], longest=longest, rows=2)
    assert (few.rows, few.too_long) == (rows, too_long)
    converted = reference.convert(data)[0]
    if not too_long:
        assert reading.utf8 == text.is_utf8(converted)
    start = reference.end_of_first(converted.decode("latin-1"), ",")
    exact = [
        record.fields
        for record in records.read(converted, ",", start=start, final=True, longest=longest)
        if record.fields is None or record.fields
    ]
    assert {index for index, fields in enumerate(exact) if fields is None} == too_long
    assert [fields and [reference.judged_alone(field) for field in fields] for fields in exact] == [
        None if index in too_long else row for index, row in enumerate(rows)
    ]


H = HEAD.encode()
FILES = {
    "ordinary": H + b"Ann,ann@example.org\nBob,bob@example.org\n",
    "no line end at the end": H + b"Ann,ann@example.org\nBob,bob@example.org",
    "no rows": H,
    "no rows and no line end": H.rstrip(),
    "quoted": H + b'"Ann, ""A""",a\n"B\nC",b\r\n"D\r\nE\rF","x"\r',
    "stray quotes": H + b'5" pipe,a\nA"B"C,b\n"A"B,c\n""A,d\n',
    "a quote that is never closed": H + b'A,a\n"B,b\nC,c\n',
    "a quote that is never closed, before a CR": H + b'A,a\n"B,b\r',
    "a quoted line end at the file's end": H + b'A,"a\n',
    "line ends of every kind": H + b"A,a\r\nB,b\rC,c\n\r\n\r\r\nD,d\n\n\rE,e",
    "the word that ends a window": H + b'END\nEND,END\n"END"\n"\nEND"\n',
    "blank lines": H + b"\n\n\r\nA,a\n\n   \n,\n\n",
    "nul": H + b"A\0B,a\n\0,\0\n",
    "byte order mark": b"\xef\xbb\xbf" + H + b"A,a\n",
    "byte order mark inside": H + b"\xef\xbb\xbfA,a\n",
    "utf-8": H + "Käse – €,ä@b\n𝄞,c\n".encode() * 3,
    "windows-1252": H + "Käse – €,ä@b\n".encode("windows-1252") * 3,
    "mixed encodings": H + "Käse,ä\n".encode() + "Käse,ä\n".encode("latin-1") + 'Kä"se,"ä\n"'.encode(),
    "bytes of a character on both sides of a quote": H + b'"\xc3"\xa9,a\n"\xc3""\xa9",b\n',
    "utf-16 le": b"\xff\xfe" + (HEAD + 'Käse,"ä\n"\n𝄞,€\n').encode("utf-16-le"),
    "utf-16 be": b"\xfe\xff" + (HEAD + 'Käse,"ä\n"\n𝄞,€\n').encode("utf-16-be"),
    "utf-16 with half a character at the end": b"\xff\xfe" + (HEAD + "𝄞,€\n𝄞").encode("utf-16-le")[:-2] + b"x",
    "utf-16 with lone surrogates": b"\xff\xfe" + HEAD.encode("utf-16-le") + b"\x00\xd8A\x00\n\x00\x00\xdc\n\x00",
    "other line separators": H + "A\u2028B,a\x0b\x0c\x1c\x85\n".encode(),
    "long rows": H + b"x" * 300 + b",a\nA,a\n" + b'"' + b"y\n" * 200 + b'",b\nB,b\n',
    "a long row at the end": H + b"A,a\n" + "ä".encode() * 300,
}


def test_window_of_very_short_rows_ends_early() -> None:
    data = b"a\n" * 2_000_000
    read = read_rows(data, sheet_of(H), final=True)
    assert Limits().window_rows <= len(read.rows) < 2 * Limits().window_rows + 100_000
    assert read.consumed == 2 * len(read.rows)


@pytest.mark.parametrize("longest", [LONGEST, 250, 20, 3])
@pytest.mark.parametrize("sizes", [[1], [2, 3], [7], [64], [1000], [10_000]], ids=str)
@pytest.mark.parametrize("name", FILES)
def test_it_agrees_with_csv(name: str, sizes: Sequence[int], longest: int) -> None:
    check(FILES[name], sizes, longest=longest)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r", b""])
@pytest.mark.parametrize("size", [18, 19, 20, 21, 22, 23])
def test_a_row_is_too_long_by_its_bytes_without_the_line_end(size: int, ending: bytes) -> None:
    data = H + b"A,a\n" + b"x" * size + ending + (b"B,b\n" if ending else b"")
    for window in range(1, 60):
        check(data, [window], longest=20)
    assert (1 in Reading(data, [100], longest=20).too_long) == (size > 20)


def test_a_row_of_just_the_longest_size_tells_its_encoding() -> None:
    assert not Reading(H + b"\xe4" * 20 + b"\n", [100], longest=20).utf8


def test_what_is_shown_of_a_row_that_is_too_long_ends_with_a_whole_character() -> None:
    data = H + b"x" + "ä".encode() * 200 + b"\n"
    assert Reading(data, [1000], longest=250).rows == [["x" + "ä" * 99]]


CELL = st.one_of(
    st.sampled_from(["", "Ann", " Ann ", "ann@example.org", "END", '5" pipe', "x,y", "ä", "€𝄞", "\0", "\ufeff"]),
    st.text(alphabet='A1é €"\n\r,\0𝄞', max_size=8),
    st.integers(1, 40).map(lambda count: "é" * count),
)
QUOTED = CELL.map(lambda cell: '"' + cell.replace('"', '""') + '"')
ROW = st.lists(st.one_of(CELL, QUOTED), max_size=4).map(",".join)
END = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def hostile_files(draw: st.DrawFn) -> bytes:
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "latin-1", "mixed", "utf-8-sig", "utf-16-le", "utf-16-be"]))
    head = draw(st.sampled_from([HEAD, "\n" + HEAD, '"Name","E-Mail"\r\n', "Name,e_mail,phone\r"]))
    lines = [draw(ROW) + draw(END) for _ in range(draw(st.integers(0, 10)))]
    if encoding == "mixed":
        body = b"".join(line.encode(draw(st.sampled_from(["utf-8", "latin-1"])), "replace") for line in lines)
        data = head.encode() + body
    else:
        bom = "\ufeff" if encoding.startswith("utf-16") else ""
        data = (bom + head + "".join(lines)).encode(encoding, "replace")
    start = sheet_of(data).data_start
    data += draw(st.binary(max_size=6))
    return data[: max(start, len(data) - draw(st.integers(0, 3)))]


@pytest.mark.timeout(max(EXAMPLES, 120))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=hostile_files(),
    sizes=st.lists(st.integers(1, 120), min_size=1, max_size=4),
    longest=st.one_of(st.just(LONGEST), st.integers(1, 80)),
)
@example(data=H + b'A,a\n"', sizes=[1], longest=LONGEST)
@example(data=H + b'"123456\r"\n', sizes=[9], longest=9)
@example(data=H + b'"123456\r\n', sizes=[9], longest=8)
def test_it_agrees_with_csv_on_hostile_files(data: bytes, sizes: list[int], longest: int) -> None:
    check(data, sizes, longest=longest)


@pytest.mark.timeout(max(EXAMPLES, 120))
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    data=st.one_of(st.binary(max_size=80), st.lists(st.sampled_from(list(b'A",\r\n\xc3\xa4'))).map(bytes)),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    longest=st.integers(1, 40),
)
def test_it_agrees_with_csv_on_any_bytes(data: bytes, sizes: list[int], longest: int) -> None:
    check(H + data, sizes, longest=longest)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    sheet = sheet_of(f"id{delimiter}Full Name{delimiter}E-Mail\n1{delimiter}a{delimiter}b\n".encode())
    assert (sheet.delimiter, sheet.header) == (delimiter, ("id", "Full Name", "E-Mail"))
    assert sheet.positions == {"name": 1, "email": 2}


def test_columns_are_found_in_any_order_whatever_case_and_spaces() -> None:
    assert sheet_of(b"PHONE, e mail ,x,full_name\n").positions == {"phone": 0, "email": 1, "name": 3}


def test_the_preferred_name_counts_first_and_of_equal_ones_the_first() -> None:
    assert sheet_of(b"Full Name,Mail,E-Mail,Name,Name\n").positions == {"name": 3, "email": 2}


def test_named_columns_are_taken_and_an_empty_name_is_none() -> None:
    sheet = detect(b"Name,E-Mail,Phone,Who,Where\n", named={"name": "who", "email": ["Where"], "phone": ""})
    assert sheet is not None
    assert sheet.positions == {"name": 3, "email": 4}


def test_the_rows_begin_behind_the_header_its_blank_lines_and_the_byte_order_mark() -> None:
    assert sheet_of(b"\xef\xbb\xbf\r\n\nName,E-Mail\r\nA,a\n").data_start == len(b"\xef\xbb\xbf\r\n\nName,E-Mail\r\n")
    utf16 = b"\xfe\xff" + "Name,E-Mail,Käse\n".encode("utf-16-be")
    sheet = sheet_of(utf16 + "A,a,b\n".encode("utf-16-be"))
    assert (sheet.data_start, sheet.encoding, sheet.header[2]) == (len(utf16), "utf-16-be", "Käse")


def test_a_quoted_header_may_have_line_ends() -> None:
    assert sheet_of(b'"Full\nName","E-Mail"\nA,a\n').header == ("Full\nName", "E-Mail")


def test_a_header_that_is_not_there_yet_is_waited_for() -> None:
    for end in range(len(H)):
        assert detect(H[:end], final=False) is None
    assert detect(H, final=False) == sheet_of(H)


def test_a_sheet_is_kept_as_json() -> None:
    sheet = sheet_of("Name,E-Mail,Käse\n".encode("windows-1252"))
    assert Sheet.from_json(sheet.to_json()) == sheet
    assert sheet.header[2] == "Käse"


@pytest.mark.parametrize(
    ("data", "named", "code", "told"),
    [
        (b"", None, "empty_file", "is empty"),
        (b"\n\r\n", None, "empty_file", "is empty"),
        (b"\xef\xbb\xbf", None, "empty_file", "is empty"),
        (b"a,b\nName,E-Mail\n", None, "missing_columns", "name and email were found. The first line reads: a, b."),
        (b"Name\nE-Mail\n", None, "missing_columns", "Name the columns so"),
        (H, {"name": "Who"}, "missing_columns", "(columns asked for: Who)"),
        (H, {"email": ""}, "missing_columns", "name and email"),
        (b"\0\0\0", None, "not_csv", "does not look like a CSV"),
        (b"x" * (1 << 20) + b"x,y\n", None, "not_csv", "does not look like a CSV"),
    ],
)
def test_what_is_no_such_sheet_is_refused_with_what_to_do(
    data: bytes, named: dict[str, str] | None, code: str, told: str
) -> None:
    with pytest.raises(EngineError) as refused:
        detect(data, named=named)
    assert refused.value.code == code
    assert told in refused.value.message
