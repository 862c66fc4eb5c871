"""The sweep: in every worker, at start and every few seconds, whatever no message announced.

With early acknowledgement a killed worker's message is never delivered again, and a hint may be lost with the broker.
So this is what the promise of "at least once" rests on.
"""

import logging
import random
import threading

from django.conf import settings
from django.db import connection

from reports import hints, lifecycle, runner
from uploads import lifecycle as upload_lifecycle

logger = logging.getLogger(__name__)


def sweep() -> None:
    """End what is over, and see to it that somebody looks at what can go on."""
    lifecycle.end_abandoned()
    upload_lifecycle.expire_overdue()
    if lifecycle.runnable().exists() and not hints.send():
        # The broker is away: do the work here, or it would wait for as long as the broker does.
        runner.run_all()


class Sweeper:
    """Sweeps in a thread until it is stopped."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sweep_until_stopped, name="sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; a job it is working on is released at its next window's boundary."""
        self._stopped.set()

    def _sweep_until_stopped(self) -> None:
        wait = 0.0
        while not self._stopped.wait(wait):
            try:
                sweep()
            except Exception:
                logger.exception("sweep failed; the next one tries again")
            finally:
                connection.close()
            # Jitter, so that many workers do not look at the same moment.
            wait = settings.SWEEP_SECONDS * random.uniform(0.7, 1.3)  # noqa: S311  (not for secrets)
