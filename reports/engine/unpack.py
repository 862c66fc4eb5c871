"""Reading gzip files, in bounded memory and with a guard against bombs: a few bytes that unpack into terabytes."""

import io
import re
import zlib
from typing import Any

from reports.engine.errors import EngineError
from reports.engine.limits import DEFAULT, MIB, Limits

MAGIC = b"\x1f\x8b"
# So much may come out of however little: what a small file costs is not worth a word.
_FREE_BYTES = 64 * MIB
_GZIP = 31  # zlib's word for "with gzip's header and checksum"
_PIECE_BYTES = 256 * 1024
# zlib copies what it was given beyond a member's end. Each member is therefore given slices that begin small and
# double, so that a file of very many tiny members costs no more than its bytes.
_FIRST_SLICE = 256
_LARGEST_SLICE = 64 * 1024
# One call to `read` begins at most this many members, which takes some milliseconds even when all of them are empty.
MEMBERS_PER_READ = 1000
_ZEROS = re.compile(rb"\0*")


class Unpacker:
    """A gzip file's bytes in, a piece at a time; its contents out, no more at a time than asked for.

    Several gzip files one after another are one file, as gzip has it; zeros behind the last one are padding.
    """

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self._limits = limits
        self._member = zlib.decompressobj(_GZIP)
        self._slice = _FIRST_SLICE
        self._fed = b""
        self._position = 0
        self.packed = 0
        self.unpacked = 0
        self.is_hungry = True

    def feed(self, data: bytes) -> None:
        """Take the file's next bytes."""
        self._fed = self._fed[self._position :] + data
        self._position = 0
        self.packed += len(data)
        self.is_hungry = False

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes of the contents. Raises `EngineError`.

        Each call does a bounded amount of work, so it may return nothing although there is more: `is_hungry` says
        whether more must be fed first.
        """
        pieces: list[bytes] = []
        members = 0
        while size > 0 and not self.is_hungry:
            if self._member.eof:
                if members == MEMBERS_PER_READ:
                    break
                members += 1
                if not self._next_member():
                    continue
            piece = self._unpack(size)
            self.unpacked += len(piece)
            size -= len(piece)
            pieces.append(piece)
        self._check_ratio()
        return b"".join(pieces)

    def end(self) -> None:
        """All has been fed and read. Raises `EngineError` when the file ends too early."""
        if not self._member.eof or self._position < len(self._fed):
            raise _damaged("it ends in the middle")

    def _unpack(self, size: int) -> bytes:
        """Unpack a slice of what was fed. Without input this returns what did not fit into the last piece."""
        given = self._fed[self._position : self._position + self._slice]
        try:
            piece = self._member.decompress(given, size)
        except zlib.error as error:
            raise _damaged(f"it is damaged near byte {self.packed:,} ({error})") from None
        left = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        self._position += len(given) - len(left)
        self._slice = min(2 * self._slice, _LARGEST_SLICE)
        self.is_hungry = not piece and not self._member.eof and self._position == len(self._fed)
        return piece

    def _next_member(self) -> bool:
        """Begin the next of several files, if it is there already."""
        padding = _ZEROS.match(self._fed, self._position)
        self._position = padding.end() if padding else self._position
        magic = self._fed[self._position : self._position + len(MAGIC)]
        if not MAGIC.startswith(magic):
            raise _damaged("something else follows it")
        if magic != MAGIC:
            self.is_hungry = True
            return False
        self._member = zlib.decompressobj(_GZIP)
        self._slice = _FIRST_SLICE
        return True

    def _check_ratio(self) -> None:
        if self.unpacked > _FREE_BYTES + self._limits.unpack_ratio * self.packed:
            raise EngineError(
                "unpacks_too_large",
                f"The gzip file unpacks to more than {self._limits.unpack_ratio} times its size. "
                "If it is what you want to send, unpack it and send the CSV itself.",
            )


class UnpackedFile(io.RawIOBase):
    """A gzip file opened for reading what is in it. Reading raises `EngineError` where the file is damaged."""

    def __init__(self, file: io.RawIOBase | io.BufferedIOBase, limits: Limits = DEFAULT) -> None:
        self._file = file
        self._unpacker = Unpacker(limits)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        while True:
            piece = self._unpacker.read(len(view))
            if piece:
                view[: len(piece)] = piece
                return len(piece)
            if not self._unpacker.is_hungry:
                continue
            packed = self._file.read(_PIECE_BYTES)
            if not packed:
                self._unpacker.end()
                return 0
            self._unpacker.feed(packed)


def _damaged(what: str) -> EngineError:
    return EngineError("gzip_damaged", f"The gzip file cannot be unpacked: {what}. Pack it again and send it anew.")
