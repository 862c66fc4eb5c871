"""How pages write numbers, sizes and spans of time."""

import pytest
from django.utils import translation

from accounts.numbers import number, seconds, size


@pytest.mark.parametrize(
    ("value", "english", "german"),
    [
        (0, "0", "0"),
        (999, "999", "999"),
        (1234567, "1,234,567", "1.234.567"),
        ("1234567.50", "1,234,567.50", "1.234.567,50"),
        ("-1234", "−1,234", "−1.234"),
        ("9" * 21, "999,999,999,999,999,999,999", "999.999.999.999.999.999.999"),
        (None, "–", "–"),
        ("", "–", "–"),
    ],
)
def test_numbers_keep_every_digit_and_are_grouped_as_the_reader_does(
    value: int | str | None, english: str, german: str
) -> None:
    with translation.override("en"):
        assert number(value) == english
    with translation.override("de"):
        assert number(value) == german


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1549, "1.5 kB"),
        (999_999, "1 MB"),
        (100_000_000, "100 MB"),
        (2 * 10**12, "2 TB"),
        (5 * 10**18, "5,000 PB"),
    ],
)
def test_sizes_go_by_the_thousand(value: int, shown: str) -> None:
    assert size(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.14, "0.1 s"), (59.9, "59.9 s"), (61, "1 min 1 s"), (3599, "59 min 59 s"), (7260, "2 h 1 min")],
)
def test_spans_of_time_are_told_as_people_do(value: float, shown: str) -> None:
    assert seconds(value) == shown
