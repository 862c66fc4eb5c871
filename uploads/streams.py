"""Files that are stored while they are made."""

import io
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from django.core.files.base import File

# Lines that are encoded, and handed on, at a time.
_LINES = 5_000


class Pieces(File[bytes]):
    """`pieces` as a Django file that is nowhere whole: what a storage takes of it is forgotten."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__(None, name="pieces")
        self._pieces = iter(pieces)
        self._rest = b""

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        if self._rest:
            rest, self._rest = self._rest, b""
            yield rest
        yield from self._pieces

    def read(self, size: int = -1) -> bytes:
        """So many bytes, fewer only at the end."""
        # Joining a list of pieces would hold them twice.
        taken = io.BytesIO()
        while taken.tell() != size and (piece := self._rest or next(self._pieces, None)) is not None:
            left = len(piece) if size < 0 else size - taken.tell()
            taken.write(piece[:left])
            self._rest = piece[left:]
        return taken.getvalue()

    @property
    def closed(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def seek(self, *args: Any) -> int:
        raise OSError("What is made as it is read can be read only once.")


def of_lines(lines: Iterable[str]) -> Pieces:
    """A text file in UTF-8. The lines bring their ends."""
    return Pieces(_encoded(iter(lines)))


def _encoded(lines: Iterator[str]) -> Iterator[bytes]:
    while some := "".join(islice(lines, _LINES)):
        yield some.encode()
