"""What many want to read at the same moment is read once.

When a job ends, everybody who watches it wants to know how, within the same few milliseconds.
"""

import asyncio
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

from reports.sockets import in_thread

T = TypeVar("T")


@dataclass
class _Reading:
    began_at: float
    task: "asyncio.Task[Any]"


# Keys may be secrets, and jobs are large: nothing is kept for longer than anybody asks for.
KEPT_SECONDS = 10.0
_Place = tuple[asyncio.AbstractEventLoop, Hashable]
_latest: dict[_Place, _Reading] = {}


async def read(key: Hashable, function: Callable[[], T], *, max_age: float, enough: Callable[[T], bool]) -> T:
    """What `function`, which may wait for the database, gives for `key`.

    That is what somebody else's call has given, or gives right now, if it began at most `max_age` seconds ago and is
    `enough`; else what it gives from now on.
    """
    place = asyncio.get_running_loop(), key
    asked_at = time.monotonic()
    while True:
        reading = _latest.get(place)
        if reading is None or reading.began_at < asked_at - max_age or _failed(reading):
            reading = _begin(place, function)
        # Shielded: who stops waiting does not stop the others' reading.
        result: T = await asyncio.shield(reading.task)
        if reading.began_at >= asked_at or enough(result):
            return result
        _forget(place, reading)


def _begin(place: _Place, function: Callable[[], Any]) -> _Reading:
    reading = _latest[place] = _Reading(time.monotonic(), asyncio.create_task(in_thread(function)))
    place[0].call_later(KEPT_SECONDS, _forget, place, reading)
    return reading


def _forget(place: _Place, reading: _Reading) -> None:
    if _latest.get(place) is reading:
        del _latest[place]


def _failed(reading: _Reading) -> bool:
    return reading.task.done() and (reading.task.cancelled() or reading.task.exception() is not None)
