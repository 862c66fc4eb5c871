"""Remembering that a service has just failed, so that not every request waits for it to fail again."""

import time


class Outage:
    """On for `seconds` after `begin`; then the service is worth another try."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = 0.0

    def begin(self) -> None:
        self._until = time.monotonic() + self._seconds

    def end(self) -> None:
        self._until = 0.0

    @property
    def is_on(self) -> bool:
        return time.monotonic() < self._until
