"""What a Celery worker does besides its tasks: sweep while it runs, and let go of its jobs when it stops."""

from typing import Any

from celery.signals import worker_process_init, worker_ready, worker_shutting_down

from reports import stopping
from reports.engine import acceleration
from reports.sweeper import Sweeper

_sweepers: list[Sweeper] = []


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
    while _sweepers:
        _sweepers.pop().stop()
