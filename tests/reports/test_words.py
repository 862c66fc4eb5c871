"""What codes say to people: in English as the engine says it, in other languages their own words."""

import pytest
from django.utils import translation

from reports import words
from reports.engine import faults
from reports.templatetags.reports import state_label


@pytest.mark.parametrize("amounts", [False, True])
@pytest.mark.parametrize("fault", range(1, 32))
def test_a_rejected_row_is_told_of_in_the_readers_language(fault: int, amounts: bool) -> None:
    stored = faults.words(fault, amounts=amounts)
    assert words.row(stored) == stored
    with translation.override("de"):
        assert words.row(stored) == "; ".join(words.reason(code, amounts=amounts) for code in faults.codes(fault))
        assert " the " not in f" {words.row(stored)}"


def test_a_failure_is_told_with_its_details_or_in_the_readers_language() -> None:
    stored = "The file is empty. It has 3 bytes."
    assert words.error("empty_file", stored) == stored
    with translation.override("de"):
        assert words.error("empty_file", stored).startswith("Die Datei ist leer.")
        assert words.error("unheard_of", stored) == stored


def test_one_rejected_row_is_one_row() -> None:
    assert state_label("done_with_rejects", 1) == "Done with 1 rejected row"
    assert state_label("done_with_rejects", 1200) == "Done with 1,200 rejected rows"
