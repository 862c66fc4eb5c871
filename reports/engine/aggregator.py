"""Bytes in any pieces, windows out: the engine for a plain script and for the command line."""

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from reports.engine.blocks import Carry, Means
from reports.engine.columns import Named
from reports.engine.fold import START, Before, fold
from reports.engine.layout import Layout, detect_layout
from reports.engine.limits import DEFAULT, Limits
from reports.engine.partial import Partial
from reports.engine.text import Data

# Small enough to stay in the processor's cache, large enough for several threads.
WINDOW_BYTES = 8 * 1024 * 1024


class Aggregator:
    """Feed it a file's bytes, in pieces of any size, and ask it for the result.

    It holds a window of bytes and the totals. `rejected` is called with the lines of the report of rejected rows as
    they are found. `state`, with the file's bytes from `position` on, is all that another process needs to go on.
    """

    def __init__(
        self,
        *,
        named: Named | None = None,
        amounts: bool = False,
        rejected: Callable[[bytes], Any] = len,
        window_bytes: int = WINDOW_BYTES,
        limits: Limits = DEFAULT,
        threads: int = 0,
        state: bytes = b"",
    ) -> None:
        self._named = named
        self._amounts = amounts
        self._rejected = rejected
        self._window_bytes = window_bytes
        self._means = Means(limits, threads, Carry())
        self._kept = bytearray()
        self._wanted = window_bytes
        self._before: Before = START
        self._result = Partial()
        self.layout: Layout | None = None
        self.position = 0
        if state:
            self._restore(state)

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file. Raises `EngineError`."""
        self._kept += data
        position = 0
        while len(self._kept) - position >= self._wanted:
            position += self._fold(bytes(self._kept[position : position + self._wanted]), final=False)
        del self._kept[:position]

    def read(self, file: io.RawIOBase | io.BufferedIOBase) -> None:
        """Take the rest of `file`: the same as to `feed` it, with one buffer used again and again.

        Raises `EngineError`.
        """
        buffer, size = self._kept, len(self._kept)
        while True:
            if len(buffer) < max(self._wanted, size + 1):
                buffer = buffer[:size].ljust(max(self._wanted, 2 * size), b"\0")
            more = file.readinto(memoryview(buffer)[size:])
            if not more:
                self._kept = buffer[:size]
                return
            size += more
            if size == len(buffer):
                kept = buffer[self._fold(buffer, final=False) :]
                size = len(kept)
                buffer[:size] = kept

    def finish(self) -> Partial:
        """The result of all that was fed. Raises `EngineError`."""
        while self._kept or self.layout is None:
            size = min(self._wanted, len(self._kept))
            del self._kept[: self._fold(bytes(self._kept[:size]), final=size == len(self._kept))]
        result = self._settled()
        result.check(self._means.limits)
        return result

    def state(self) -> bytes:
        """What has been folded, up to `position`. What was fed beyond that is to be fed again."""
        head = {
            "position": self.position,
            "layout": self.layout and self.layout.to_json(),
            "before": asdict(self._before),
        }
        return json.dumps(head).encode() + b"\n" + self._settled().encode()

    def _settled(self) -> Partial:
        """The result so far, with what was left in the kernel's tables."""
        if self._means.carry:
            self._means.carry.settle(self._result)
        return self._result

    def _restore(self, state: bytes) -> None:
        line, _, encoded = state.partition(b"\n")
        head = json.loads(line)
        self.position = head["position"]
        self.layout = head["layout"] and Layout.from_json(head["layout"])
        self._before = Before(**head["before"])
        self._result = Partial.decode(encoded)

    def _fold(self, data: Data, *, final: bool) -> int:
        """Fold a window, and return how many of its bytes were consumed."""
        if self.layout is None:
            self.layout = detect_layout(data, final=final, named=self._named, amounts=self._amounts)
            consumed = self.layout.data_start if self.layout else 0
            if self.layout is not None:
                self._result = Partial.of(self.layout)
        else:
            window = fold(data, self.layout, final=final, before=self._before, means=self._means)
            self._result.merge(window.partial)
            self._before = window.after(self._before)
            self._rejected(b"".join(window.rejected))
            consumed = window.consumed
        self.position += consumed
        # Where not even one record ended, look at more at once.
        self._wanted = self._window_bytes if consumed else 2 * self._wanted
        return consumed
