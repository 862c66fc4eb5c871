"""A job's file as a stream of windows: the upload's bytes as they are, or what is packed in them."""

import time
import uuid
from collections import OrderedDict
from typing import NamedTuple, Protocol

from reports.engine import Limits
from reports.engine.unpack import MAGIC, Unpacker
from reports.models import Job
from uploads.models import Upload
from uploads.reader import read

# Packed bytes read at a time.
_PIECE_BYTES = 1024 * 1024
# Unpacking cannot begin in the middle of a file. A job that waits for bytes is mostly taken up again by the worker that
# had it, which goes on where it was; another one unpacks from the beginning up to there. So many are kept.
_KEPT = 4
_kept: OrderedDict[uuid.UUID, "PackedSource"] = OrderedDict()


class Data(NamedTuple):
    """Bytes of the file's contents from the source's position on; `final` when the file ends with them."""

    data: bytes
    final: bool


class Source(Protocol):
    """Where a job's windows come from. `seek_seconds` is what it took to get to where they begin."""

    seek_seconds: float

    @property
    def position(self) -> int:
        """How far the windows have come, in the file's contents."""
        ...

    @property
    def bytes_done(self) -> int:
        """How far that is in the upload."""
        ...

    def read(self, upload: Upload, size: int) -> Data | None:
        """`size` bytes, or the rest of the file; None as long as that has not been received.

        Raises `uploads.reader.PartLost`, and `reports.engine.EngineError` when what is packed is damaged.
        """
        ...

    def advance(self, size: int) -> None:
        """So many of the bytes read have been folded."""
        ...


class PlainSource:
    """The upload as it is."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.seek_seconds = 0.0

    @property
    def bytes_done(self) -> int:
        return self.position

    def read(self, upload: Upload, size: int) -> Data | None:
        available = upload.offset - self.position
        whole = upload.state == Upload.State.COMPLETE
        if available < size and not whole:
            return None
        return Data(read(upload, self.position, min(size, available)), whole and available <= size)

    def advance(self, size: int) -> None:
        self.position += size


class PackedSource:
    """What is packed in the upload, a gzip file."""

    def __init__(self, position: int, limits: Limits) -> None:
        self.position = 0
        self.seek_seconds = 0.0
        self._unpacker = Unpacker(limits)
        self._buffer = b""
        self._skip = position

    @property
    def bytes_done(self) -> int:
        return self._unpacker.packed

    def read(self, upload: Upload, size: int) -> Data | None:
        began = time.monotonic()
        while self.position < self._skip:
            piece = self._unpack(upload, min(self._skip - self.position, _PIECE_BYTES))
            self.seek_seconds = time.monotonic() - began
            if not piece:
                return None
            self.position += len(piece)
        while len(self._buffer) <= size and (piece := self._unpack(upload, size + 1 - len(self._buffer))):
            self._buffer += piece
        whole = upload.state == Upload.State.COMPLETE
        if len(self._buffer) < size and not whole:
            return None
        if len(self._buffer) <= size and whole:
            self._unpacker.end()
            return Data(self._buffer, final=True)
        return Data(self._buffer[:size], final=False)

    def advance(self, size: int) -> None:
        self._buffer = self._buffer[size:]
        self.position += size

    def _unpack(self, upload: Upload, size: int) -> bytes:
        """Up to `size` bytes, none when the upload has no more."""
        while not (piece := self._unpacker.read(size)):
            start = self._unpacker.packed
            if start == upload.offset:
                return b""
            self._unpacker.feed(read(upload, start, min(_PIECE_BYTES, upload.offset - start)))
        return piece


def open_source(job: Job, limits: Limits) -> Source | None:
    """The source of a job's windows, at the job's position; None as long as it cannot be told what the file is."""
    upload = job.upload
    if upload.offset < len(MAGIC) and upload.state != Upload.State.COMPLETE:
        return None
    if upload.offset < len(MAGIC) or read(upload, 0, len(MAGIC)) != MAGIC:
        return PlainSource(job.position)
    kept = _kept.pop(job.pk, None)
    return kept if kept is not None and kept.position == job.position else PackedSource(job.position, limits)


def keep(job: Job, source: Source | None) -> None:
    """The job is let go, to go on when more bytes have come, perhaps here."""
    if isinstance(source, PackedSource):
        _kept[job.pk] = source
        while len(_kept) > _KEPT:
            _kept.popitem(last=False)
