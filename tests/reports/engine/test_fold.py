"""The engine against the reference, on ordinary, dirty and hostile files."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reports.engine import EngineError, Partial, detect_layout, fold
from tests.files import HEADER, sales_csv
from tests.reports.engine import reference


def aggregate(data: bytes, window: int = 1 << 20) -> Partial:
    """What a job does, without a database: windows that grow where no record ends, states stored and read back."""
    size = window
    while (layout := detect_layout(data[:size], final=size >= len(data))) is None:
        size *= 2
    position, size, result = layout.data_start, window, Partial()
    while position < len(data):
        folded = fold(data[position : position + size], layout, final=position + size >= len(data))
        position += folded.consumed
        size = window if folded.consumed else size * 2
        result.merge(Partial.decode(folded.partial.encode()))
    return result


def check(data: bytes, window: int = 1 << 20) -> None:
    try:
        expected = reference.aggregate(data)
    except reference.Unreadable as unreadable:
        with pytest.raises(EngineError) as refused:
            aggregate(data, window)
        assert refused.value.code == str(unreadable)
        return
    result = aggregate(data, window)
    assert (dict(result.departments()), result.rows, result.bad_rows) == expected


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
    "long quoted field": H + b'"' + b"x\n" * 1_500_000 + b'",2024-01-01,1\n',
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
    "columns missing": b"a,b,c\n1,2,3\n",
    "binary": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
}


@pytest.mark.parametrize("window", [64, 1000, 1 << 20])
@pytest.mark.parametrize("name", DIRTY)
def test_it_agrees_with_the_reference(name: str, window: int) -> None:
    check(DIRTY[name], window)


FIELD = st.one_of(
    st.sampled_from(["A", "B", " A ", "", "2024-01-01", "2024-02-30", "1", "7", "-1", "99999999999999999999", "x,y"]),
    st.text(alphabet='A1é €"\n\r,;\t\0 -', max_size=6),
)
QUOTED = FIELD.map(lambda field: '"' + field.replace('"', '""') + '"')
ROW = st.one_of(
    st.builds("{},2024-01-0{},{}".format, st.sampled_from("ABC"), st.integers(1, 9), st.integers(0, 10**20)),
    st.lists(st.one_of(FIELD, QUOTED), min_size=1, max_size=4).map(",".join),
)
END = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def hostile_files(draw: st.DrawFn) -> bytes:
    head = draw(st.sampled_from([HEADER, "", "Dept,Sales\n", "\n" + HEADER]))
    body = "".join(row + draw(END) for row in draw(st.lists(ROW, max_size=12)))
    encoding = draw(st.sampled_from(["utf-8", "windows-1252", "utf-8-sig", "utf-16"]))
    data = (head + body).encode(encoding, "replace")
    cut = draw(st.integers(0, 3))
    return data[: len(data) - cut] if cut and encoding != "utf-16" else data


@settings(max_examples=1500, deadline=None)
@given(data=hostile_files(), window=st.integers(1, 200))
@example(data=b'A,2024-01-01,1\n"', window=1)
def test_it_agrees_with_the_reference_on_hostile_files(data: bytes, window: int) -> None:
    check(data, window)


def test_columns_named_by_the_user_are_used() -> None:
    data = b"abteilung,datum,menge\nA,2024-01-01,3\nB,2024-01-01,4\n"
    named = {"department": "Abteilung", "sales": "menge"}
    layout = detect_layout(data, final=True, named=named)
    assert layout is not None
    assert dict(fold(data[layout.data_start :], layout, final=True).partial.departments()) == {"A": 3, "B": 4}


def test_a_column_that_was_named_but_is_not_there_is_said() -> None:
    with pytest.raises(EngineError) as refused:
        detect_layout(b"Dept,Sales\nA,1\n", final=True, named={"sales": "Revenue"})
    assert refused.value.code == "missing_columns"
    assert "Revenue" in refused.value.message
    assert "Dept, Sales" in refused.value.message


def test_a_number_with_too_many_digits_is_bad_instead_of_slow() -> None:
    result = aggregate(H + b"A,2024-01-01," + b"9" * 4001 + b"\nA,2024-01-01," + b"0" * 5000 + b"7\n")
    assert (dict(result.departments()), result.rows, result.bad_rows) == ({"A": 7}, 2, 1)


def test_a_state_of_another_version_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="version"):
        Partial.decode(b"9" + Partial().encode()[1:])
