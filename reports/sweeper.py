"""The sweep: periodic maintenance that every worker runs, at its start and every `SWEEP_SECONDS`.

The sweep finds the work that no message announced: with early acknowledgement the message of a killed worker is never
delivered again, and a wake-up may be lost with the broker. The promise of at-least-once execution rests on the sweep.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from functools import partial

from django.conf import settings
from django.db import connection

from accounts import audit, deletion, idempotency, metrics
from accounts.outage import is_database_away
from reports import bulk, hints, lifecycle, runner, splits, workers
from reports.webhooks import management as webhooks
from salesagg.core import disk
from uploads import cleanup
from uploads import lifecycle as upload_lifecycle

logger = logging.getLogger(__name__)


def sweep(run_jobs: Callable[[], object] = runner.run_all) -> None:
    """Run every step of the sweep. A step that fails is logged, and does not stop the steps after it."""
    for step in (
        bulk.end_frozen,
        lifecycle.end_abandoned,
        lifecycle.end_lost,
        splits.forget_ended,
        upload_lifecycle.expire_overdue,
        cleanup.finish_removals,
        disk.keep_reserve,
        partial(_start_runnable, run_jobs),
        lifecycle.finish_undos,
        deletion.finish_all,
        idempotency.remove_old,
        audit.remove_old,
        webhooks.remove_old,
    ):
        _survives(step)


def _start_runnable(run_jobs: Callable[[], object]) -> None:
    """Wake a worker if there is a job to run. If the broker is down, run the jobs here: they would otherwise wait for
    as long as the broker is down."""
    if lifecycle.runnable().exists() and not hints.send():
        run_jobs()


class Sweeper:
    """Run the sweep in a thread until it is stopped, and record in another thread that this worker is alive.

    Three threads, because none may wait for another. Failure story: the broker is down, the sweep runs a job of an
    hour by itself, and meanwhile records no sign of life. The operations page shows a healthy worker as lost, other
    workers plan no splits for it, and no lease, deletion or expiry is looked at for an hour.
    """

    def __init__(self, *, hands: int = 1) -> None:
        self._hands = hands
        self._stopped = threading.Event()
        self._jobs: threading.Thread | None = None
        self._threads = [
            threading.Thread(target=self._sweep_until_stopped, name="sweeper", daemon=True),
            threading.Thread(target=self._report_until_stopped, name="sign-of-life", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask the threads to end. A job that the sweep runs is released at its next window's boundary."""
        self._stopped.set()

    def join(self, timeout: float) -> None:
        """Wait for `timeout` seconds at most until the threads have ended and the worker is no longer listed."""
        ends = time.monotonic() + timeout
        for thread in (*self._threads, self._jobs):
            if thread is not None:
                thread.join(max(0.0, ends - time.monotonic()))

    def _sweep_until_stopped(self) -> None:
        wait = 0.0
        while not self._stopped.wait(wait):
            _survives(sweep, self._run_jobs)
            connection.close()
            wait = _pause()

    def _report_until_stopped(self) -> None:
        wait, report = 0.0, workers.arrive
        while not self._stopped.wait(wait):
            if _survives(report, self._hands):
                report = workers.note
            connection.close()
            wait = _pause()
        _survives(workers.leave)
        connection.close()

    def _run_jobs(self) -> None:
        """Run jobs in a thread, unless that of an earlier sweep still runs them."""
        if self._jobs is None or not self._jobs.is_alive():
            self._jobs = threading.Thread(target=_run_jobs, name="jobs-without-broker", daemon=True)
            self._jobs.start()


def _run_jobs() -> None:
    _survives(runner.run_all)
    connection.close()


def _pause() -> float:
    """Seconds until the next sweep, with jitter, so that many workers do not sweep at the same moment."""
    return float(settings.SWEEP_SECONDS) * random.uniform(0.7, 1.3)  # noqa: S311  (not for secrets)


def _survives(act: Callable[..., object], *arguments: object) -> bool:
    """Return whether `act` succeeded. The next sweep tries again what failed."""
    try:
        act(*arguments)
    except Exception as error:
        metrics.note_failure(error)
        # While the database is down, every step says so: one line each is enough.
        logger.exception("%s failed; the next sweep tries again", _name(act), exc_info=not is_database_away(error))
        # A step that lost its connection must not leave the next step without one.
        connection.close_if_unusable_or_obsolete()
        return False
    return True


def _name(act: Callable[..., object]) -> str:
    return act.func.__name__ if isinstance(act, partial) else act.__name__
