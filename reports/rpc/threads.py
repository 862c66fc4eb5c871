"""Where calls do what has to wait for the database or the storage: a storage that hangs must not hold up what else runs
on the loop of the process, and so many calls at once never take more connections than there are threads.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from reports.threads import Threads

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 16
# What goes on although the call has ended.
_unfinished: set["asyncio.Task[Any]"] = set()
_threads = Threads(THREADS, name="rpc")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `function` returns or raises."""
    return await _threads.do(function, *args, **kwargs)


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives, which goes on to its end although whoever waits for it is cancelled."""
    task = asyncio.create_task(work)
    _unfinished.add(task)
    task.add_done_callback(_unfinished.discard)
    return await asyncio.shield(task)


async def settled() -> None:
    """Wait until nothing goes on any more."""
    await asyncio.gather(*_unfinished, return_exceptions=True)
