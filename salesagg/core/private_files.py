"""Data that only the user of our processes may read: folders with mode 0700, files with mode 0600.

SQLite creates its database with whatever the umask leaves, mostly readable by every user of the machine, and sessions
in a readable database let another local user take over accounts. So the database exists with mode 0600 before SQLite
opens it; SQLite gives its journals the mode of the database. Versions before this one left 0644: each start repairs it.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

OTHERS = stat.S_IRWXG | stat.S_IRWXO
JOURNALS = ("-wal", "-shm", "-journal")


def make_folder(path: Path) -> None:
    """Create the folder, or take a folder of ours away from other users.

    A folder that everyone shares (with the sticky bit, such as /tmp) keeps its mode.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.stat().st_mode & stat.S_ISVTX:
        _close(path)


def make_database(path: Path) -> None:
    """Create the file of a SQLite database, or close it and its journals to other users."""
    if not path.exists() and path.parent.is_dir():
        # Without O_EXCL: two processes that start at once both succeed.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    for name in (path.name, *(path.name + ending for ending in JOURNALS)):
        close_file(path.with_name(name))


def close_file(path: Path) -> None:
    """Take an existing file away from other users."""
    # It may belong to another user, be on a read-only disk, or vanish meanwhile. A check reports what stays readable.
    with suppress(OSError):
        _close(path)


def is_open_to_everyone(path: Path) -> bool:
    """Whether every user of the machine may read or write the file, by its mode and that of its folder."""
    try:
        reached = path.parent.stat().st_mode & stat.S_IXOTH
        return bool(reached and path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH))
    except OSError:
        return False


def _close(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OTHERS:
        with suppress(PermissionError):
            path.chmod(mode & ~OTHERS)
