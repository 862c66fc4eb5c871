"""A job's windows, read and folded one after another.

While a window that is slow to commit is being committed, since it writes its rows, the next one is folded already; and
of a large file other workers fold stretches ahead (`reports.splits`). That is a matter of speed alone: what was folded
ahead and is not committed is as if it had never been.
"""

import copy
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from accounts import spans
from reports import sources
from reports.engine import EngineError
from reports.limits import limits
from reports.models import Job
from reports.pipelines import FoldedWindow, pipeline_for
from reports.sources import Data
from reports.splits import Ahead
from uploads.reader import PartChanged, PartLost
from uploads.storage import StorageAway

# Windows begin small and grow while they are folded quickly. Nothing can interrupt the folding of a window: 32 MiB of
# numbers that the kernel leaves to Python took a minute, in which the job was neither cancelled nor took turns.
FIRST_BYTES = 2 * 1024 * 1024
LEAST_BYTES = 64 * 1024
QUICK_SECONDS, SLOW_SECONDS = 0.5, 2.0
# About so many lines at most are folded at a time: each bad one takes 100 bytes, although it may have one in the file.
MOST_LINES = 2_000_000


class Interrupted(Exception):
    """Raised by the worker's `pause` to stop reading a file before the next window is there."""


@dataclass(frozen=True)
class Folded:
    """The contents ``[start, end)`` of the file, folded; `bytes_done` of the upload lie behind `end`."""

    start: int
    end: int
    bytes_done: int
    window: FoldedWindow


def _shortened(data: Data) -> Data:
    """The beginning of `data` with at most `MOST_LINES` lines or so; the next window begins behind what it consumes."""
    start = data.data
    while start.count(b"\n") + start.count(b"\r") > MOST_LINES:
        start = start[: len(start) // 2]
    return data if len(start) == len(data.data) else Data(start, final=False)


class Windows:
    """The windows of `job` from its position on.

    While one is read, `pause` is called again and again (see `sources.Pause`).
    """

    def __init__(self, job: Job, pause: sources.Pause = lambda: None) -> None:
        self._job = copy.copy(job)
        self._pause = pause
        self._pipeline = pipeline_for(job.kind)
        self._source = sources.open_source(job, limits())
        self._usual = min(FIRST_BYTES, self._pipeline.window_bytes)
        self._size = self._usual
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="fold-ahead")
        self._ahead: tuple[Data, Future[FoldedWindow]] | None = None
        self._failed_ahead: Exception | None = None
        # What is packed can be unpacked from its beginning alone.
        can_be_split = self._pipeline.apart and isinstance(self._source, sources.PlainSource)
        self._splits = Ahead(self._job) if can_be_split else None
        self.at_end = False

    def __enter__(self) -> "Windows":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    @property
    def wanted_bytes(self) -> int:
        """How much more there must be than the job has done, for another look to be worth it: more than there is now,
        or it would be tried again at once."""
        return max(self._size, self._job.upload.offset - self._job.bytes_done + 1)

    def next(self) -> Folded | None:
        """The next window; None when there is none, now or, `at_end`, ever.

        Raises `reports.engine.EngineError`, `uploads.reader.PartLost` and `PartChanged`, and what `pause` raises.
        """
        if self._splits is not None and (helped := self._helped()) is not None:
            return self._advance(helped)
        while (taken := self._take()) is not None:
            data, window = taken
            if window.context is not None and (window.consumed or data.final):
                return self._advance(window)
            # Not even one record ended: look at more at once.
            self._size *= 2
        return None

    @property
    def seek_seconds(self) -> float:
        """What it took to get to where this worker took the job up, and will take the next one."""
        return self._source.seek_seconds if self._source is not None else 0.0

    def fold_ahead(self) -> None:
        """Start to process the window that follows the one that `next` has returned.

        If that window cannot be read, `next` raises the error when it is asked for that window. The window before it
        is good and is committed first. The source is not read again, since a failed read may have moved it.
        """
        try:
            data = self._read()
        except Interrupted:
            # The worker stops after the window that it has; its next look at the source continues here.
            return
        except (EngineError, PartLost, PartChanged, StorageAway) as error:
            self._failed_ahead = error
            return
        if data is not None:
            self._ahead = data, self._pool.submit(self._fold, data)

    def committed(self, window: FoldedWindow) -> None:
        """The window that `next` has given turned out like this."""
        self._job.bad_rows += window.bad_rows

    def keep(self) -> None:
        """The job is let go, to go on when more bytes have come, perhaps here."""
        sources.keep(self._job, self._source)

    def _helped(self) -> FoldedWindow | None:
        """The next window as another worker has folded it. Otherwise it is to end where the next of theirs begins."""
        assert self._splits is not None
        self._job.upload.refresh_from_db(fields=["state", "offset", "length"])
        next_start = self._splits.lay_out()
        if (window := self._splits.take()) is not None:
            return window
        if next_start is not None and next_start - self._job.position <= 2 * self._size:
            self._size = next_start - self._job.position
        return None

    def _take(self) -> tuple[Data, FoldedWindow] | None:
        if self._failed_ahead is not None:
            raise self._failed_ahead
        if self._ahead is not None:
            (ahead, folding), self._ahead = self._ahead, None
            return ahead, folding.result()
        data = self._read()
        return None if data is None else (data, self._fold(data))

    def _read(self) -> Data | None:
        self._job.upload.refresh_from_db(fields=["state", "offset", "length"])
        with spans.window_step("read", job=self._job.pk):
            data = self._source.read(self._job.upload, self._size, self._pause) if self._source else None
        if data is not None and data.final and not data.data and self._job.context is not None:
            self.at_end = True
            return None
        # A window was enlarged because not even one record ended in it.
        return data if data is None or self._size > self._usual else _shortened(data)

    def _fold(self, data: Data) -> FoldedWindow:
        began = time.monotonic()
        with spans.window_step("fold", job=self._job.pk):
            window = self._pipeline.fold(data.data, self._job, final=data.final)
        self._adapt(time.monotonic() - began)
        return window

    def _adapt(self, seconds: float) -> None:
        """Choose the size of the next windows by how long this one took."""
        if seconds < QUICK_SECONDS:
            self._usual = min(2 * self._usual, self._pipeline.window_bytes)
        elif seconds > SLOW_SECONDS:
            self._usual = max(self._usual // 4, min(LEAST_BYTES, self._pipeline.window_bytes))

    def _advance(self, window: FoldedWindow) -> Folded:
        assert self._source is not None
        job, start = self._job, self._source.position
        self._source.advance(window.consumed)
        job.position, job.bytes_done = self._source.position, max(self._source.bytes_done, job.bytes_done)
        job.context = window.context
        job.rows += window.rows
        self._size = self._usual
        return Folded(start, job.position, job.bytes_done, window)
