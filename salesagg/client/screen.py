"""What is shown while a command works: on standard error, and bars only where somebody sees them."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from tqdm import tqdm


class Screen:
    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bars = not quiet and sys.stderr.isatty()

    def say(self, text: str) -> None:
        """A line beside the bars."""
        if not self._quiet:
            tqdm.write(text, file=sys.stderr)

    @contextlib.contextmanager
    def bars(self, size: int) -> Iterator["Bars"]:
        """Two bars for a file of `size` bytes: how much has been sent, and how much of it has been processed."""
        options: dict[str, Any] = {
            "total": size,
            "unit": "B",
            "unit_scale": True,
            "file": sys.stderr,
            "disable": not self._bars,
            # Terminals that are programs, too, may have no size; tqdm would show nothing there.
            "dynamic_ncols": self._bars and os.get_terminal_size(sys.stderr.fileno()).columns > 0,
            "ncols": 80,
            "nrows": 24,
        }
        with (
            tqdm(desc="Uploading ", position=0, **options) as sent,
            tqdm(desc="Processing", position=1, **options) as processed,
        ):
            yield Bars(sent, processed)


class Bars:
    def __init__(self, sent: "tqdm[Any]", processed: "tqdm[Any]") -> None:
        self._sent = sent
        self._processed = processed

    def begin_at(self, offset: int) -> None:
        """So much was sent another time; it does not count towards the speed."""
        self._sent.initial = offset
        self.sent(offset)

    def sent(self, offset: int) -> None:
        _move(self._sent, offset)

    def processed(self, job: dict[str, Any]) -> None:
        """`job` as the API tells it, or its progress."""
        self.sent(job["uploadedBytes"])
        self._processed.set_postfix_str(f"{job['processedRows']:,} rows", refresh=False)
        _move(self._processed, job["processedBytes"])


def _move(bar: "tqdm[Any]", position: int) -> None:
    # What is told late is older than what is known.
    if position > bar.n or bar.n == 0:
        bar.update(position - bar.n)
