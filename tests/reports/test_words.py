"""What codes say to people: in English as the engine says it, in other languages their own words."""

import pytest
from django.utils import translation

from reports import words
from reports.engine import faults
from reports.models import Job
from reports.pipelines import pipeline_for
from reports.templatetags.reports import state_label


@pytest.mark.parametrize("amounts", [False, True])
@pytest.mark.parametrize("fault", range(1, 32))
def test_a_rejected_row_is_told_of_in_the_readers_language(fault: int, amounts: bool) -> None:
    stored, job = faults.words(fault, amounts=amounts), Job(options={"amounts": amounts})
    assert words.row(job, stored) == stored
    with translation.override("de"):
        assert words.row(job, stored) == "; ".join(words.reason(job, code) for code in faults.codes(fault))
        assert " the " not in f" {words.row(job, stored)}"


@pytest.mark.parametrize("kind", ["sales", "customers"])
def test_every_kind_has_words_of_its_own_for_every_reason(kind: str) -> None:
    job = Job(kind=kind)
    codes = [*pipeline_for(kind).reasons]
    english = [words.reason(job, code) for code in codes]
    with translation.override("de"):
        told = [words.reason(job, code) for code in codes]
        assert words.row(job, "; ".join(english)) == "; ".join(told)
        assert not set(told) & set(english)


def test_a_failure_is_told_with_its_details_or_in_the_readers_language() -> None:
    stored = "The file is empty. It has 3 bytes."
    assert words.error("empty_file", stored) == stored
    with translation.override("de"):
        assert words.error("empty_file", stored).startswith("Die Datei ist leer.")
        assert words.error("unheard_of", stored) == stored


def test_one_rejected_row_is_one_row() -> None:
    assert state_label("done_with_rejects", 1) == "Done with 1 rejected row"
    assert state_label("done_with_rejects", 1200) == "Done with 1,200 rejected rows"
