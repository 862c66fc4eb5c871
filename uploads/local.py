"""Files in a folder of this machine, or of a network file system."""

from pathlib import Path
from typing import Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

from salesagg.core import durable


class Storage(FileSystemStorage):
    """Django's storage in a folder. With `sync`, a file is on the disk when `save` returns."""

    def __init__(self, *, sync: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self._sync = sync

    def _save(self, name: str, content: File[bytes]) -> str:
        saved: str = super()._save(name, content)  # type: ignore[misc]  # (the stubs leave it out)
        if self._sync:
            durable.sync(Path(self.path(saved)), root=Path(self.location).parent)
        return saved
