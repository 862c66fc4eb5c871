"""Threads of their own, for what has to wait for the database or the storage while an event loop goes on.

Each has a connection to the database, which it keeps while there is work, since a new one costs more than most calls do
with it. Threads that rest have none.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")

# After so long without work a thread rests.
REST_SECONDS = 0.5
SETTLE_SECONDS = 20.0


class Threads(Executor):
    """At most `count`, started when they are needed. None of them holds up the end of the process."""

    def __init__(self, count: int, *, name: str = "waiting") -> None:
        self._name = name
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._waiting = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._count = self._not_started = count

    async def do(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns or raises."""
        executor: Any = self
        return await sync_to_async(function, thread_sensitive=False, executor=executor)(*args, **kwargs)

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        self._work.put((future, partial(function, *args, **kwargs)))
        if not self._waiting.acquire(blocking=False):
            with self._lock:
                if self._not_started:
                    threading.Thread(target=self._run, name=f"{self._name}_{self._not_started}", daemon=True).start()
                    self._not_started -= 1
        return future

    def settle(self) -> None:
        """Wait until what was begun is done, when nothing more is submitted: also what nobody waits for any more."""
        if self._not_started < self._count:
            # Each thread is here only when it has nothing else to do.
            barrier = threading.Barrier(self._count)
            for future in [self.submit(barrier.wait, SETTLE_SECONDS) for _ in range(self._count)]:
                future.result(SETTLE_SECONDS)

    def _run(self) -> None:
        while True:
            future, work = self._next()
            if future.set_running_or_notify_cancel():
                try:
                    _forget_the_dead()
                    future.set_result(work())
                except BaseException as error:
                    future.set_exception(error)
            # Or what came of it would stay until the next.
            del future, work
            self._waiting.release()

    def _next(self) -> tuple[Future[Any], Callable[[], Any]]:
        try:
            return self._work.get(timeout=REST_SECONDS)
        except queue.Empty:
            connections.close_all()
            return self._work.get()


def _forget_the_dead() -> None:
    """Close a connection that broke, or whose transaction was left open; others are kept whatever their age."""
    for connection in connections.all(initialized_only=True):
        connection.close_at = None
        connection.close_if_unusable_or_obsolete()
