"""Services that do not answer: telling it from other errors, and remembering it for a moment, so that not every request
waits for the service to fail again."""

import sqlite3
import time

from django.db import InterfaceError, OperationalError


class Outage:
    """On for `seconds` after `begin`; then the service is worth another try."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = 0.0

    def begin(self) -> None:
        self._until = time.monotonic() + self._seconds

    def end(self) -> None:
        self._until = 0.0

    @property
    def is_on(self) -> bool:
        return time.monotonic() < self._until


def is_database_away(error: BaseException | None) -> bool:
    """Whether the database did not answer, or gave up what was asked: the same may succeed in a moment.

    SQLite has the same class of errors for what is wrong in a query, or in the file.
    """
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    code = getattr(error.__cause__, "sqlite_errorcode", sqlite3.SQLITE_BUSY)
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
