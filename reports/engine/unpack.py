"""Reading gzip files, in bounded memory and with a guard against bombs: a few bytes that unpack into terabytes."""

import io
import zlib
from typing import Any

from reports.engine.errors import EngineError
from reports.engine.limits import DEFAULT, MIB, Limits

MAGIC = b"\x1f\x8b"
# So much may come out of however little: what a small file costs is not worth a word.
_FREE_BYTES = 64 * MIB
_GZIP = 31  # zlib's word for "with gzip's header and checksum"
_PIECE_BYTES = 256 * 1024


class Unpacker:
    """A gzip file's bytes in, a piece at a time; its contents out, no more at a time than asked for.

    Several gzip files one after another are one file, as gzip has it; zeros behind the last one are padding.
    """

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self._limits = limits
        self._member = zlib.decompressobj(_GZIP)
        self._waiting = b""
        self.packed = 0
        self.unpacked = 0

    def feed(self, data: bytes) -> None:
        """Take the file's next bytes."""
        self._waiting += data
        self.packed += len(data)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes of the contents; fewer when more must be fed first. Raises `EngineError`."""
        pieces: list[bytes] = []
        while size > 0:
            if self._member.eof and not self._next_member():
                break
            try:
                # Also without input: what did not fit into the last piece may still be in there.
                piece = self._member.decompress(self._waiting, size)
            except zlib.error as error:
                raise _damaged(f"it is damaged near byte {self.packed:,} ({error})") from None
            self._waiting = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if not piece and not self._waiting:
                break
            self.unpacked += len(piece)
            size -= len(piece)
            pieces.append(piece)
        if self.unpacked > _FREE_BYTES + self._limits.unpack_ratio * self.packed:
            raise EngineError(
                "unpacks_too_large",
                f"The gzip file unpacks to more than {self._limits.unpack_ratio} times its size. "
                "If it is what you want to send, unpack it and send the CSV itself.",
            )
        return b"".join(pieces)

    def end(self) -> None:
        """All has been fed and read. Raises `EngineError` when the file ends too early."""
        if not self._member.eof or self._waiting:
            raise _damaged("it ends in the middle")

    def _next_member(self) -> bool:
        """Begin the next of several files, if it is there already."""
        self._waiting = self._waiting.lstrip(b"\0")
        if not MAGIC.startswith(self._waiting[:2]):
            raise _damaged("something else follows it")
        if len(self._waiting) < len(MAGIC):
            return False
        self._member = zlib.decompressobj(_GZIP)
        return True


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
            packed = self._file.read(_PIECE_BYTES)
            if not packed:
                self._unpacker.end()
                return 0
            self._unpacker.feed(packed)


def _damaged(what: str) -> EngineError:
    return EngineError("gzip_damaged", f"The gzip file cannot be unpacked: {what}. Pack it again and send it anew.")
