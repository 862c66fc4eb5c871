"""A job's file as a stream of windows: the upload's bytes as they are, or what is packed in them."""

import time
import uuid
from collections.abc import Callable
from typing import NamedTuple, Protocol

from reports.engine import Limits
from reports.engine.unpack import MAGIC, Unpacker
from reports.models import OPEN, Job
from uploads.models import Upload
from uploads.reader import read

# Packed bytes read at a time.
_PIECE_BYTES = 1024 * 1024
# Unpacking cannot begin in the middle of a file. A worker that has stopped in the middle of a job therefore keeps where
# it was, for this many jobs, and continues there when it gets the job again. Another worker unpacks from the beginning.
_KEPT = 4
_kept: dict[uuid.UUID, "PackedSource"] = {}
# Called between two pieces of work, each of which takes some milliseconds. It may raise, to stop reading for now: the
# source is then as it was after the last piece.
Pause = Callable[[], None]


def _never() -> None:
    """Do not stop reading."""


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

    def read(self, upload: Upload, size: int, pause: Pause = _never) -> Data | None:
        """`size` bytes, or the rest of the file; None as long as that has not been received.

        A few bytes of a packed file may take very long to read, so `pause` is called again and again meanwhile. Raises
        `uploads.reader.PartLost`, and `reports.engine.EngineError` when what is packed is damaged.
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

    def read(self, upload: Upload, size: int, pause: Pause = _never) -> Data | None:
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
        self._buffer = bytearray()
        self._wanted = position

    @property
    def bytes_done(self) -> int:
        return self._unpacker.packed

    def read(self, upload: Upload, size: int, pause: Pause = _never) -> Data | None:
        if not self._seek(upload, pause):
            return None
        while len(self._buffer) <= size and self._unpack(upload, size + 1 - len(self._buffer)):
            pause()
        whole = upload.state == Upload.State.COMPLETE
        if len(self._buffer) < size and not whole:
            return None
        if len(self._buffer) <= size and whole:
            self._unpacker.end()
            return Data(bytes(self._buffer), final=True)
        return Data(bytes(memoryview(self._buffer)[:size]), final=False)

    def advance(self, size: int) -> None:
        del self._buffer[:size]
        self.position += size
        self._wanted = self.position

    def resume(self, position: int) -> bool:
        """Continue at `position`, which other workers may have reached meanwhile; returns whether that is possible."""
        self.seek_seconds = 0.0
        self._wanted = position
        return self.position <= position

    def _seek(self, upload: Upload, pause: Pause) -> bool:
        """Unpack up to the position wanted; returns whether the upload has so much."""
        while self.position < self._wanted:
            began = time.monotonic()
            missing = self._wanted - self.position
            if not self._buffer and not self._unpack(upload, min(missing, _PIECE_BYTES)):
                return False
            skipped = min(missing, len(self._buffer))
            del self._buffer[:skipped]
            self.position += skipped
            self.seek_seconds += time.monotonic() - began
            pause()
        return True

    def _unpack(self, upload: Upload, size: int) -> bool:
        """Unpack up to `size` more bytes, perhaps none; returns False when the upload has no more."""
        if self._unpacker.is_hungry:
            start = self._unpacker.packed
            if start == upload.offset:
                return False
            self._unpacker.feed(read(upload, start, min(_PIECE_BYTES, upload.offset - start)))
        self._buffer += self._unpacker.read(size)
        return True


def open_source(job: Job, limits: Limits) -> Source | None:
    """The source of a job's windows, at the job's position; None as long as it cannot be told what the file is."""
    upload = job.upload
    if upload.offset < len(MAGIC) and upload.state != Upload.State.COMPLETE:
        return None
    if upload.offset < len(MAGIC) or read(upload, 0, len(MAGIC)) != MAGIC:
        return PlainSource(job.position)
    kept = _kept.pop(job.pk, None)
    return kept if kept is not None and kept.resume(job.position) else PackedSource(job.position, limits)


def keep(job: Job, source: Source | None) -> None:
    """Keep where the worker is in a job that it gives back, in case that it gets the job again."""
    if not isinstance(source, PackedSource):
        return
    _kept[job.pk] = source
    if len(_kept) > _KEPT:
        _drop_ended()
    while len(_kept) > _KEPT:
        # The one that costs least to unpack again. The one that costs most stays, so that its job comes to its end
        # however many there are.
        del _kept[min(_kept, key=lambda job_id: _kept[job_id].bytes_done)]


def _drop_ended() -> None:
    still_open = set(Job.objects.filter(pk__in=list(_kept), status__in=OPEN).values_list("pk", flat=True))
    for job_id in set(_kept) - still_open:
        del _kept[job_id]
