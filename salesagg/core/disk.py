"""Room on the disks of this machine that hold files and SQLite's database.

SQLite needs room to delete: what it changes goes to its log first. So a part of the disk is kept as a file beside the
database, and the file is deleted when somebody wants to delete something and there is no other room. Failure story: a
disk was full, and the one thing that would have made room, deleting files, failed like everything else.

PostgreSQL and S3 look after their disks by themselves.
"""

import errno
import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection

logger = logging.getLogger(__name__)
RESERVE_NAME = "reserve"
# With less than this nothing can be written any more, whatever a database calls its error.
EXHAUSTED_BYTES = 256 * 1024


def is_low(*, more: int = 0) -> bool:
    """Whether `more` bytes would leave less than `MIN_FREE_BYTES` on one of the disks."""
    least: int = settings.MIN_FREE_BYTES
    return bool(least) and any(_free(folder) - more < least for folder in _folders())


def is_exhausted() -> bool:
    """Whether one of the disks has hardly a byte left."""
    return any(_free(folder) < EXHAUSTED_BYTES for folder in _folders())


def check() -> None:
    """Raise `OSError` (ENOSPC) when one of the disks is nearly full.

    The check of readiness asks, and a worker before it stores anything. Failure story: jobs of one account filled the
    disk to its last byte, the reserve too, and another account could not even delete.
    """
    if is_low():
        raise OSError(errno.ENOSPC, f"less than {settings.MIN_FREE_BYTES} bytes (MIN_FREE_BYTES) are free")


def keep_reserve() -> None:
    """Make the reserve, where there is none and room enough that it does not bring the disk near its end."""
    folder = _database_folder()
    size = reserve_bytes()
    if folder is None or not size or (folder / RESERVE_NAME).exists() or _free(folder) - size < settings.MIN_FREE_BYTES:
        return
    new = folder / f"{RESERVE_NAME}.new"
    try:
        with new.open("wb") as file:
            new.chmod(0o600)
            os.posix_fallocate(file.fileno(), 0, size)
        new.rename(folder / RESERVE_NAME)
    except OSError as error:
        logger.warning("no reserve is kept on the disk: %s", error)
        new.unlink(missing_ok=True)


def make_room() -> None:
    """Release the reserve if there is no other room. Call this before something is deleted, and never otherwise."""
    folder = _database_folder()
    if folder is not None and _free(folder) < reserve_bytes():
        with suppress(FileNotFoundError):
            (folder / RESERVE_NAME).unlink()
            logger.warning("the disk is full: its reserve is released, so that something can be deleted")


def reserve_bytes() -> int:
    return int(settings.MIN_FREE_BYTES) // 4


def _folders() -> list[Path]:
    files = Path(default_storage.location) if isinstance(default_storage, FileSystemStorage) else None
    return [folder for folder in (files, _database_folder()) if folder is not None]


def _database_folder() -> Path | None:
    """Where SQLite's database is; None for another database."""
    if connection.vendor != "sqlite":
        return None
    return Path(connection.settings_dict["NAME"]).parent


def _free(folder: Path) -> int:
    while not folder.exists():
        # The folder is made with its first file.
        folder = folder.parent
    return shutil.disk_usage(folder).free
