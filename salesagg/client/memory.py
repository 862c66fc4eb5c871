"""Which upload a file was being sent as, so that a command that was ended goes on with it when it is called again.

One small file for each: commands that run side by side do not meet. (tuspy's own `FileStorage` keeps all in one, which
two that write at once would spoil.)
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tusclient.storage.interface import Storage

_BEGINNING = 64 * 1024
# The site gives up what has received nothing for some days.
_KEPT_SECONDS = 30 * 24 * 3600


def fingerprint(path: Path, file: IO[bytes], *, url: str, metadata: Mapping[str, str]) -> str:
    """The same for the same command over the same file, another one when anything about either has changed."""
    found = os.fstat(file.fileno())
    what = [url, str(path.resolve()), found.st_size, found.st_mtime_ns, sorted(metadata.items())]
    file.seek(0)
    digest = hashlib.sha256(json.dumps(what).encode())
    digest.update(file.read(_BEGINNING))
    return digest.hexdigest()


class Memory(Storage):  # type: ignore[misc]
    """The addresses of uploads, by fingerprint, in the user's cache. Where that cannot be written, nothing is kept."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or _cache() / "salesagg" / "uploads"

    def get_item(self, key: str) -> str | None:
        with contextlib.suppress(OSError, ValueError):
            return (self._folder / key).read_text().strip() or None
        return None

    def set_item(self, key: str, value: str) -> None:
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished = self._folder / f"{key}.{os.getpid()}"
            unfinished.write_text(value)
            unfinished.replace(self._folder / key)
            self._remove_old()

    def remove_item(self, key: str) -> None:
        with contextlib.suppress(OSError):
            (self._folder / key).unlink()

    def _remove_old(self) -> None:
        for path in self._folder.iterdir():
            # Another command may have deleted it already, and what is no file stays.
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < time.time() - _KEPT_SECONDS:
                    path.unlink()


def _cache() -> Path:
    named = os.environ.get("XDG_CACHE_HOME", "")
    return Path(named) if named.startswith("/") else Path.home() / ".cache"
