"""Reading a range of a stored object, without the rest of it: objects may have terabytes.

An *edition* tells what was in an object when it was looked at: S3's ETag; in a file system time of change and size.
"""

import errno
import os
import stat
from dataclasses import dataclass

from django.core.files.storage import default_storage

# What a name that leads to no file of ours is told by; anything else is the storage's failure.
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES)


class NotThere(Exception):
    """There is no such object, or it ends before the range; or it is another edition."""


@dataclass(frozen=True)
class Found:
    """An object as it is now."""

    size: int
    edition: str


def look(name: str) -> Found:
    """What is stored under `name`. Raises `NotThere`, also for what cannot be read as a file."""
    if _is_s3():
        from uploads import s3

        return s3.look(default_storage, name)
    path = default_storage.path(name)
    try:
        status = os.stat(path)  # noqa: PTH116  (a path of the storage)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise NotThere from None
        raise
    if not stat.S_ISREG(status.st_mode) or not os.access(path, os.R_OK):
        raise NotThere
    return Found(status.st_size, _edition(status))


def read(name: str, start: int, size: int, *, edition: str = "") -> bytes:
    """Up to `size` bytes from `start` on, fewer where the object ends; with `edition`, of that one alone.

    Raises `NotThere`.
    """
    if not size:
        return b""
    if _is_s3():
        from uploads import s3

        return s3.read(default_storage, name, start, size, edition=edition)
    try:
        with default_storage.open(name, "rb") as file:
            file.seek(start)
            data: bytes = file.read(size)
            # Looked at afterwards, so that a change while it was read is seen too.
            if edition and _edition(os.fstat(file.fileno())) != edition:
                raise NotThere
    except FileNotFoundError:
        raise NotThere from None
    return data


def _is_s3() -> bool:
    """Told by what django-storages' S3 storage alone has: to import its class takes time and memory."""
    return hasattr(default_storage, "bucket")


def _edition(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns}-{status.st_size}"
