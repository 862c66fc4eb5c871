"""Where calls do what has to wait for the database or the storage.

Threads of their own: a storage that hangs must not hold up what else runs on the loop of the process. Each has a
connection to the database while it works, and leaves none open; so many calls at once never take more than these.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from channels.db import database_sync_to_async

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 16
_executor = ThreadPoolExecutor(THREADS, thread_name_prefix="rpc")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `function` returns or raises."""
    result: T = await database_sync_to_async(function, thread_sensitive=False, executor=_executor)(*args, **kwargs)
    return result
