"""One process for one data folder: two that share it would both run the first migration, and one would fail."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

NAME = "lock"
# Open files: the system releases a lock with its file, at the latest when the process ends, however it ends.
_held: dict[Path, IO[str]] = {}


class FolderInUseError(Exception):
    """Another process has the folder; `pid` is empty when it has not said which."""

    def __init__(self, folder: Path, pid: str) -> None:
        super().__init__(f"{folder} is used by process {pid or 'unknown'}")
        self.folder, self.pid = folder, pid


def hold(folder: Path) -> None:
    """Lock the folder for as long as this process lives. Raises `FolderInUseError`."""
    path = folder / NAME
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        pid = file.read(20).strip()
        file.close()
        raise FolderInUseError(folder, pid) from error
    _held[path] = file
    # Only for the message that another process prints; on a full disk the lock holds without it.
    with suppress(OSError):
        os.truncate(file.fileno(), 0)
        os.pwrite(file.fileno(), f"{os.getpid()}\n".encode(), 0)


def release(folder: Path) -> None:
    """Release a lock before the process ends."""
    _held.pop(folder / NAME).close()
