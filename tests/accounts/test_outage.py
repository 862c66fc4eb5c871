"""A database that is away is told from one that was asked something wrong."""

import sqlite3
from pathlib import Path

import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError

from accounts.outage import is_database_away

pytestmark = pytest.mark.services


def raised_by(database: sqlite3.Connection, sql: str) -> OperationalError:
    """As Django raises it."""
    with pytest.raises(sqlite3.OperationalError) as caught:
        database.execute(sql)
    error = OperationalError()
    error.__cause__ = caught.value
    return error


def test_a_database_that_somebody_else_keeps_busy_is_away(tmp_path: Path) -> None:
    holder, waiting = (sqlite3.connect(tmp_path / "database", timeout=0, isolation_level=None) for _ in range(2))
    holder.execute("BEGIN EXCLUSIVE")
    assert is_database_away(raised_by(waiting, "BEGIN IMMEDIATE"))


def test_a_table_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    assert not is_database_away(raised_by(sqlite3.connect(tmp_path / "database"), "SELECT * FROM nothing"))


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (OperationalError(), True),
        (InterfaceError(), True),
        (ProgrammingError(), False),
        (OSError(), False),
        (None, False),
    ],
)
def test_of_others_the_class_decides(error: Exception | None, away: bool) -> None:
    assert is_database_away(error) is away
