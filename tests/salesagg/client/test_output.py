"""Results as tables and files."""

import stat
from pathlib import Path
from typing import IO

import pytest

from salesagg.client import output
from salesagg.client.errors import Unusable

HEAD = b"Department Name,Total Number of Sales\n"


@pytest.mark.parametrize(
    ("number", "shown"), [("0", "0"), ("999", "999"), ("1000", "1,000"), ("-1234567.50", "-1,234,567.50")]
)
def test_numbers_are_grouped(number: str, shown: str) -> None:
    assert output.grouped(number) == shown


def test_numbers_may_be_longer_than_python_reads() -> None:
    assert output.grouped("1" + "000" * 2000) == "1" + ",000" * 2000


def test_totals_stand_under_each_other() -> None:
    table = output.totals_table(HEAD + 'Toys,1234567\n"Books, used",5\n玩具,12\n'.encode())
    assert table.splitlines() == [
        "Department Name  Total Number of Sales",
        "---------------  ---------------------",
        "Toys                         1,234,567",
        "Books, used                          5",
        # Two columns of a terminal for each.
        "玩具                                12",
    ]


def test_a_name_gives_a_terminal_no_orders() -> None:
    table = output.totals_table(HEAD + b'"\x1b[2Jgone\nnext",5\n')
    assert "\x1b" not in table
    assert table.splitlines()[2].startswith("\N{REPLACEMENT CHARACTER}[2Jgone\N{REPLACEMENT CHARACTER}next ")


def test_no_rows_are_a_table_too() -> None:
    assert output.totals_table(HEAD).splitlines()[0] == "Department Name  Total Number of Sales"


def test_a_file_is_saved_whole_and_readable_as_usual(tmp_path: Path) -> None:
    path = tmp_path / "totals.csv"
    path.write_bytes(b"old")
    usual = tmp_path / "usual"
    usual.touch()

    def write(out: IO[bytes]) -> None:
        out.write(b"new")
        out.flush()
        assert path.read_bytes() == b"old"

    output.save(path, write)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["totals.csv", "usual"]


def test_what_fails_leaves_the_old_file_and_no_half_one(tmp_path: Path) -> None:
    path = tmp_path / "totals.csv"
    path.write_bytes(b"old")

    def fail(out: IO[bytes]) -> None:
        out.write(b"half")
        raise ConnectionError

    with pytest.raises((Unusable, ConnectionError)):
        output.save(path, fail)
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("totals.csv", b"old")]


@pytest.mark.parametrize("name", ["none/totals.csv", ""])
def test_where_nothing_can_be_saved_is_told_before(tmp_path: Path, name: str) -> None:
    with pytest.raises(Unusable):
        output.check_can_save(tmp_path / name)
