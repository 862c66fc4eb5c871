"""Reading a range of a stored object, without the rest of it: objects may have terabytes.

An *edition* tells what was in an object when it was looked at: S3's ETag; in a file system time of change and size.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from django.core.files.storage import default_storage

if TYPE_CHECKING:
    from uploads.s3 import Storage

T = TypeVar("T")
# Objects that are asked for at a time. A window may be in as many parts as it has MiB.
AT_ONCE = 8

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
    if is_remote():
        return _remote().look(name)
    path = default_storage.path(name)
    try:
        _check_no_links(name)
        status = os.stat(path, follow_symlinks=False)  # noqa: PTH116  (a path of the storage)
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
    if is_remote():
        return _remote().read_range(name, start, size, edition=edition)
    try:
        with default_storage.open(name, "rb") as file:
            file.seek(start)
            data: bytes = file.read(size)
            # Looked at afterwards, so that a change while it was read is seen too.
            if edition:
                _check_no_links(name)
                if _edition(os.fstat(file.fileno())) != edition:
                    raise NotThere
    except FileNotFoundError:
        raise NotThere from None
    return data


def together(read_one: Callable[[T], bytes], items: Sequence[T]) -> Iterator[bytes]:
    """`read_one` of each of the `items`, in their order; side by side where each of them has to be waited for.

    The threads end with it, since a pool that lasts would not survive a fork.
    """
    if len(items) < 2 or not is_remote():
        yield from map(read_one, items)
        return
    with ThreadPoolExecutor(min(len(items), AT_ONCE), thread_name_prefix="ranges") as pool:
        yield from pool.map(read_one, items)


def delete(names: Iterable[str]) -> None:
    """Delete these objects; what is not there is deleted already."""
    if is_remote():
        _remote().delete_many(list(names))
        return
    for name in names:
        default_storage.delete(name)


def download_url(name: str, *, filename: str, content_type: str, seconds: int) -> str:
    """An address under which a browser gets the object from the storage itself; empty where there is none."""
    if not is_remote():
        return ""
    return _remote().download_url(name, filename=filename, content_type=content_type, seconds=seconds)


def walk(folder: str) -> Iterator[tuple[str, datetime]]:
    """All files below `folder`, and when each was stored."""
    if is_remote():
        yield from _remote().walk(folder)
        return
    root = Path(default_storage.path(""))
    for path, _folders, files in os.walk(default_storage.path(folder)):
        for file in files:
            found = Path(path, file)
            # What has just been deleted is none any more.
            with suppress(FileNotFoundError):
                yield found.relative_to(root).as_posix(), datetime.fromtimestamp(found.stat().st_mtime, UTC)


def remove_unfinished(folder: str, *, before: datetime) -> int:
    """Remove what was begun before, below `folder`, and never became a file; returns how many. A file system has such
    things under their names, where `walk` finds them."""
    return _remote().remove_unfinished(folder, before=before) if is_remote() else 0


def _check_no_links(name: str) -> None:
    """Raise `NotThere` if a symbolic link stands anywhere in the name of a file.

    People write into folders of imports by themselves, and a link there would show them any file of the server.
    """
    root = os.path.realpath(default_storage.path(""))
    path = os.path.join(root, name)  # noqa: PTH118  (pathlib fails otherwise on links that lead in a circle)
    if os.path.realpath(path, strict=True) != path:
        raise NotThere


def is_remote() -> bool:
    """Whether files are in S3. Told by what our storage for it alone has: to import its class takes time and memory."""
    return hasattr(default_storage, "read_range")


def _remote() -> "Storage":
    return cast("Storage", default_storage)


def _edition(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns}-{status.st_size}"
