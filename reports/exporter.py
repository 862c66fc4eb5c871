"""The thread in each worker that makes exports: not as tasks, or an export would wait behind jobs for minutes."""

import logging
import random
import threading

from django.db import connection

from reports import exports

logger = logging.getLogger(__name__)
POLL_SECONDS = 1.0


class Exporter:
    """Make the exports that have been asked for, one at a time, until it is stopped."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="exports", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask it to begin nothing more."""
        self._stopped.set()
        exports.wake.set()

    def join(self, timeout: float) -> None:
        """Wait until it has ended. What it has not finished by then, another worker makes after its lease."""
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopped.is_set():
            exports.wake.clear()
            try:
                self._make_what_is_wanted()
            except Exception:
                logger.exception("looking for exports failed; it is tried again")
            connection.close()
            # Jitter, so that many workers do not look at the same moment.
            exports.wake.wait(POLL_SECONDS * random.uniform(0.7, 1.3))  # noqa: S311  (not for secrets)

    def _make_what_is_wanted(self) -> None:
        while not self._stopped.is_set() and (export := exports.claim()) is not None:
            exports.make(export)
