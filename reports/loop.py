"""The event loop to which threads hand their coroutines.

In a web process that is the server's own loop, told by `use`: the in-memory channel layer is not thread-safe, and a
loop of one's own (what `async_to_sync` makes in a plain thread) reaches its consumers late or not at all. In any other
process a loop runs in a thread of its own, started when first needed: after a fork, since threads do not survive one.
"""

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_owner_pid: int | None = None


def use(loop: asyncio.AbstractEventLoop) -> None:
    """Hand coroutines to `loop` from now on. Called on that loop when the server starts."""
    global _loop, _owner_pid
    with _lock:
        _loop, _owner_pid = loop, os.getpid()


def run(coroutine: Coroutine[Any, Any, T], *, timeout: float) -> T:
    """Run `coroutine` on the loop and wait for its result, from a thread that is not the loop's.

    Raises `TimeoutError` after `timeout` seconds; the coroutine is cancelled then.
    """
    future = asyncio.run_coroutine_threadsafe(coroutine, _current())
    try:
        return future.result(timeout)
    except TimeoutError:
        future.cancel()
        raise


def _current() -> asyncio.AbstractEventLoop:
    global _loop, _owner_pid
    with _lock:
        if _loop is None or _owner_pid != os.getpid() or _loop.is_closed():
            _loop, _owner_pid = asyncio.new_event_loop(), os.getpid()
            threading.Thread(target=_loop.run_forever, name="coroutines", daemon=True).start()
        return _loop
