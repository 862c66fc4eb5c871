"""The sweep: in every worker, at start and every few seconds, whatever no message announced.

With early acknowledgement a killed worker's message is never delivered again, and a hint may be lost with the broker.
So this is what the promise of "at least once" rests on.
"""

import logging
import random
import threading
from collections.abc import Callable

from django.conf import settings
from django.db import connection

from accounts import audit, deletion, idempotency, metrics
from reports import bulk, hints, lifecycle, runner, splits, workers
from reports.webhooks import management as webhooks
from salesagg.core import disk
from uploads import cleanup
from uploads import lifecycle as upload_lifecycle

logger = logging.getLogger(__name__)


def sweep() -> None:
    """End what is over, and see to it that somebody looks at what can go on."""
    bulk.end_frozen()
    lifecycle.end_abandoned()
    lifecycle.end_lost()
    splits.forget_ended()
    upload_lifecycle.expire_overdue()
    cleanup.finish_removals()
    disk.keep_reserve()
    if lifecycle.runnable().exists() and not hints.send():
        # The broker is away: do the work here, or it would wait for as long as the broker does.
        runner.run_all()
    lifecycle.finish_undos()
    deletion.finish_all()
    idempotency.remove_old()
    audit.remove_old()
    webhooks.remove_old()


class Sweeper:
    """Sweeps in a thread until it is stopped, and tells with every sweep that this worker is alive."""

    def __init__(self, *, hands: int = 1) -> None:
        self._hands = hands
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sweep_until_stopped, name="sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; a job it is working on is released at its next window's boundary."""
        self._stopped.set()

    def join(self, timeout: float) -> None:
        """Wait until it has ended, and the worker been taken off the list of those that are alive."""
        self._thread.join(timeout)

    def _sweep_until_stopped(self) -> None:
        wait, sign_of_life = 0.0, workers.arrive
        while not self._stopped.wait(wait):
            if _survives(sign_of_life, self._hands):
                sign_of_life = workers.note
            _survives(sweep)
            connection.close()
            # Jitter, so that many workers do not look at the same moment.
            wait = settings.SWEEP_SECONDS * random.uniform(0.7, 1.3)  # noqa: S311  (not for secrets)
        _survives(workers.leave)
        connection.close()


def _survives(act: Callable[..., None], *arguments: int) -> bool:
    """Whether `act` went well. What went wrong is tried again by the next sweep."""
    try:
        act(*arguments)
    except Exception as error:
        metrics.note_failure(error)
        logger.exception("%s failed; the next sweep tries again", act.__name__)
        return False
    return True
