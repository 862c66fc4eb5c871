"""A network that holds back what is sent, until it is let go."""

import sys
import threading

from tests.services.cable import Cable


class Dam(Cable):
    """Forwards connections to `port`; after `hold_after` bytes have gone to the server, no more do until `open`."""

    def __init__(self, port: int, *, hold_after: int) -> None:
        self.sent = 0
        self.is_holding = threading.Event()
        self._hold_after = hold_after
        self._gate = threading.Event()
        super().__init__(port, cut_after=sys.maxsize)

    def open(self) -> None:
        self._gate.set()

    def end(self) -> None:
        self.open()
        super().end()

    def _is_enough(self, size: int) -> bool:
        with self._lock:
            self.sent += size
        if self.sent >= self._hold_after and not self._gate.is_set():
            self.is_holding.set()
            self._gate.wait()
        return False
