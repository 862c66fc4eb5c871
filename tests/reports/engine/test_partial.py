"""What folding gives: states that travel, sums that stay exact, limits that hold."""

from decimal import Decimal

import pytest

from reports.engine import Aggregator, EngineError, Limits, Partial, acceleration, detect_layout
from reports.engine.judge import Row
from reports.engine.numbers import text
from reports.engine.totals import Totals
from tests.files import HEADER
from tests.reports.engine.test_fold import WAYS, Run, folding


def test_columns_named_by_the_user_are_used() -> None:
    run = Run(named={"department": ["Abteilung"], "sales": ["menge"]})
    result, _, _ = run.aggregate(b"abteilung,datum,menge\nA,2024-01-01,3\nB,2024-01-01,4\n")
    assert [(line.names, line.sales) for line in result.departments()] == [(("A",), 3), (("B",), 4)]


def test_a_column_that_was_named_but_is_not_there_is_said() -> None:
    with pytest.raises(EngineError) as refused:
        detect_layout(b"Dept,Sales\nA,1\n", final=True, named={"sales": "Revenue"})
    assert refused.value.code == "missing_columns"
    assert "Revenue" in refused.value.message
    assert "Dept, Sales" in refused.value.message


@pytest.mark.parametrize("way", WAYS)
def test_a_number_with_too_many_digits_is_bad_instead_of_slow(way: str) -> None:
    data = b"Dept,Sales\nA," + b"9" * 4001 + b"\nA," + b"0" * 5000 + b"7\nA," + b"9" * 4000 + b"\n"
    result, _, _ = Run(way=way).aggregate(data)
    assert [(line.sales, line.rows) for line in result.departments()] == [(10**4000 - 1 + 7, 2)]
    assert result.reasons == {"invalid_sales": 1}


@pytest.mark.parametrize("way", WAYS)
def test_sums_stay_exact_far_beyond_64_bits(way: str) -> None:
    rows = 3000
    data = b"Dept,Sales\n" + b"A,999999999999999999\n" * rows + b"A,99999999999999999999\n"
    result, _, _ = Run(way=way, window=5000).aggregate(data)
    assert [line.sales for line in result.departments()] == [rows * (10**18 - 1) + 10**20 - 1]
    data = b"Dept,Sales\n" + b"A,-999999999999.999999\n" * rows + b"A,0.0000001\n"
    result, _, _ = Run(way=way, window=5000, amounts=True).aggregate(data)
    assert [line.sales for line in result.departments()] == [
        -rows * Decimal("999999999999.999999") + Decimal("0.0000001")
    ]
    assert result.places == 7


def test_sums_of_many_states_do_not_wrap() -> None:
    largest = Partial(rows=1)
    largest.add(Row(b"A", 2**101, -1))
    total = Partial()
    for _ in range(50):
        total.merge(Partial.decode(largest.encode()))
    assert [line.sales for line in total.departments()] == [50 * 2**101]


@pytest.mark.parametrize("way", WAYS)
def test_a_state_goes_on_in_another_process(way: str) -> None:
    data = (HEADER + "Ä,2024-01-01,1\nB,2024-02-01,99999999999999999999\nC,never,1\n").encode()
    with folding(way):
        first = Aggregator(window_bytes=60)
        first.feed(data[:100])
        second = Aggregator(window_bytes=60, state=first.state())
        assert 0 < second.position < 100
        second.feed(data[second.position :])
        result = second.finish()
    assert [(line.names[0], line.sales, line.rows) for line in result.departments()] == [
        ("B", 10**20 - 1, 1),
        ("Ä", 1, 1),
    ]
    assert [month.month for month in result.by_month()] == ["2024-01", "2024-02"]
    assert (result.rows, result.bad_rows) == (3, 1)


def test_a_state_is_compact() -> None:
    result, _, _ = Run().aggregate(b"Dept,Sales\n" + b"".join(b"Department %d,%d\n" % (n, n) for n in range(50_000)))
    assert len(result.encode()) < 12 * 50_000


def test_a_state_of_another_version_is_not_guessed_at() -> None:
    encoded = Partial().encode().replace(b'"version":"2"', b'"version":"9"')
    with pytest.raises(ValueError, match="version"):
        Partial.decode(encoded)


def test_states_of_different_options_do_not_merge() -> None:
    with pytest.raises(ValueError, match="options"):
        Partial().merge(Partial(totals=Totals(scale=6)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "limits", [Limits(departments=4999), Limits(name_bytes=10_000)], ids=["departments", "bytes of names"]
)
def test_more_departments_than_allowed_end_the_work_with_a_question(way: str, limits: Limits) -> None:
    data = b"Dept,Sales\n" + b"".join(b"Department %d,1\n" % number for number in range(5000))
    with folding(way), pytest.raises(EngineError) as refused:
        aggregator = Aggregator(window_bytes=10_000, limits=limits)
        aggregator.feed(data)
        aggregator.finish()
    assert refused.value.code == "too_many_departments"
    assert "right column" in refused.value.message


def test_undecodable_names_that_read_alike_are_one_department() -> None:
    result, _, _ = Run().aggregate(b"Dept,Sales\n\x81,1\n\x8d,2\n")
    assert [(line.names, line.sales, line.rows) for line in result.departments()] == [(("\ufffd",), 3, 2)]


def test_amounts_are_written_with_the_places_of_the_file() -> None:
    assert text(Decimal("-0.0"), 2) == "0.00"
    assert text(Decimal("1E+3"), 1) == "1000.0"
    assert text(12, 0) == "12"


def test_without_numba_everything_works() -> None:
    with folding("arrow"):
        assert acceleration.compiled() is None
        result, _, _ = Run(way="arrow").aggregate(HEADER.encode() + b'"A",2024-01-01,1\n')
    assert [line.sales for line in result.departments()] == [1]
