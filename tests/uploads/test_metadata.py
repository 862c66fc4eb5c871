"""Upload-Metadata: strictly read, never trusted."""

import pytest

from accounts.errors import Refusal
from tests.conftest import b64
from uploads.metadata import filename_in, parse, write


def test_it_reads_pairs_and_keys_without_a_value() -> None:
    assert parse(f"filename {b64('a.csv')},is_confidential, note {b64('')}") == {
        "filename": "a.csv",
        "is_confidential": "",
        "note": "",
    }


@pytest.mark.parametrize("header", ["", "   "])
def test_it_accepts_an_empty_header_as_tuspy_sends_it(header: str) -> None:
    assert parse(header) == {}


@pytest.mark.parametrize(
    "header",
    [
        "filename not-base64!",
        f"filename {b64('a')},filename {b64('b')}",
        f"naïve {b64('a')}",
        ",",
        "a YQ==,",
        "x" * 4097,
    ],
)
def test_it_refuses_what_is_not_in_the_protocols_form(header: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse(header)
    assert (refused.value.status, refused.value.code) == (400, "bad_metadata")


@pytest.mark.parametrize("pairs", [{}, {"filename": "Köln, 2024.csv"}, {"filename": "a", "empty": "", "x": "true"}])
def test_what_is_written_is_read_as_it_was(pairs: dict[str, str]) -> None:
    assert parse(write(pairs)) == pairs


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("sales.csv", "sales.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ann\\sales.csv", "sales.csv"),
        ("a\r\nSet-Cookie: x.csv", "aSet-Cookie: x.csv"),
        ("", "unnamed.csv"),
        ("x" * 300, "x" * 255),
    ],
)
def test_a_file_name_has_no_path_and_no_control_characters(given: str, kept: str) -> None:
    assert filename_in({"filename": given}) == kept
