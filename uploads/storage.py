"""What every storage has in common, whatever it is."""

import errno
import sqlite3

from django.utils.translation import gettext as _

from accounts import metrics
from accounts.errors import Refusal
from salesagg.core import disk

# When a client that was refused may try again.
RETRY_SECONDS = 5
# PostgreSQL's `disk_full`.
_SQLSTATE_FULL = "53100"
# What SQLite says where it cannot make or grow one of the files that it works with.
_SQLITE_FAILURES = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


def is_full(error: BaseException) -> bool:
    """Whether it says that a disk is full: the storage's, or the database's."""
    cause = error.__cause__
    sqlite_code = getattr(cause, "sqlite_errorcode", 0)
    return (
        (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT))
        or sqlite_code == sqlite3.SQLITE_FULL
        or (sqlite_code & 0xFF in _SQLITE_FAILURES and disk.is_exhausted())
        or getattr(cause, "sqlstate", None) == _SQLSTATE_FULL
    )


class StorageFull(Refusal):
    """There is no room for what was sent, and nothing of it was recorded."""

    def __init__(self) -> None:
        message = _("The server's storage is full. What was received is kept; try again later.")
        super().__init__("storage_full", message, status=507)


class StorageAway(Refusal):
    """The storage does not answer, or does not let us in. Nothing is known of what it holds, least of all that
    something is lost; and nothing was changed in the database."""

    def __init__(self) -> None:
        message = _("The server's storage does not answer. What was received is kept; try again in a moment.")
        metrics.FAILURES.labels("storage").inc()
        super().__init__("storage_away", message, status=503, headers={"Retry-After": str(RETRY_SECONDS)})
