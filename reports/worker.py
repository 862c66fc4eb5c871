"""Start and stop the background threads of a Celery worker, for the sweep, webhooks and exports, and release its jobs
when it stops."""

from typing import Any

from celery.signals import worker_init, worker_process_init, worker_ready, worker_shutdown, worker_shutting_down

from reports import stopping, workers
from reports.engine import acceleration
from reports.exporter import Exporter
from reports.sweeper import Sweeper
from reports.webhooks.deliverer import Deliverer

# The last sweep may take as long at the worker's end, and so may a message that is being sent.
LEAVE_SECONDS = 1.0

_beside: list[Sweeper | Deliverer | Exporter] = []


@worker_init.connect
def begin(**kwargs: Any) -> None:
    """Before the pool's processes are forked."""
    workers.be_main()


@worker_ready.connect
def start_beside(sender: Any, **kwargs: Any) -> None:
    # Celery's command sends its consumer, a worker inside another program itself.
    worker = getattr(sender, "controller", sender)
    for made in (Sweeper(hands=getattr(worker, "concurrency", 1)), Deliverer(), Exporter()):
        _beside.append(made)
        made.start()


@worker_process_init.connect
def load_kernel(**kwargs: Any) -> None:
    """In the process that runs the tasks: a forked one has no threads of its parent's."""
    acceleration.load_in_background()


@worker_shutting_down.connect
def stop(**kwargs: Any) -> None:
    stopping.request()
    for running in _beside:
        running.stop()


@worker_shutdown.connect
def leave(**kwargs: Any) -> None:
    """The worker's end; in one process the first that what runs beside it hears of it."""
    for running in _beside:
        running.stop()
    while _beside:
        _beside.pop().join(LEAVE_SECONDS)
