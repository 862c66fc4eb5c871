"""Whether this worker is being stopped: jobs are then released at the next window's boundary, for another to go on.

The event is made before Celery forks its pool, so that the pool's processes see what the main process is told.
"""

import multiprocessing

_event = multiprocessing.Event()


def request() -> None:
    _event.set()


def requested() -> bool:
    return _event.is_set()


def wait(seconds: float) -> bool:
    """Wait for `seconds`, or until the worker is being stopped; returns whether it is."""
    return _event.wait(seconds)
