"""What a Celery worker does besides its tasks: sweep while it runs, and let go of its jobs when it stops."""

from typing import Any

from celery.signals import worker_init, worker_process_init, worker_ready, worker_shutdown, worker_shutting_down

from reports import stopping, workers
from reports.engine import acceleration
from reports.sweeper import Sweeper

# The last sweep may take as long at the worker's end.
LEAVE_SECONDS = 1.0

_sweepers: list[Sweeper] = []


@worker_init.connect
def begin(**kwargs: Any) -> None:
    """Before the pool's processes are forked."""
    workers.be_main()


@worker_ready.connect
def start_sweeping(**kwargs: Any) -> None:
    sweeper = Sweeper()
    _sweepers.append(sweeper)
    sweeper.start()


@worker_process_init.connect
def load_kernel(**kwargs: Any) -> None:
    """In the process that runs the tasks: a forked one has no threads of its parent's."""
    acceleration.load_in_background()


@worker_shutting_down.connect
def stop(**kwargs: Any) -> None:
    stopping.request()
    for sweeper in _sweepers:
        sweeper.stop()


@worker_shutdown.connect
def leave(**kwargs: Any) -> None:
    """The worker's end; in one process the first that its sweeper hears of it."""
    for sweeper in _sweepers:
        sweeper.stop()
    while _sweepers:
        _sweepers.pop().join(LEAVE_SECONDS)
