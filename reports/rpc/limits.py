"""Limits on what the callers of one server can hold: calls at once, and bytes of messages in memory."""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator

from accounts.errors import Refusal

# Seconds after which a caller that was refused may try again.
RETRY_SECONDS = 15


class Places:
    """Calls under way, counted per key, such as a caller's IP address, and in total. A limit of 0 is no limit."""

    def __init__(self, *, per_key: Callable[[], int], total: int = 0) -> None:
        self._per_key = per_key
        self._total = total
        self._taken: Counter[Hashable] = Counter()

    @contextlib.contextmanager
    def taken(self, key: Hashable, message: str) -> Iterator[None]:
        """Count one more call of `key` meanwhile. Raise `Refusal` (429) with `message` if it is one too many."""
        # The check and the count are one step: the event loop runs nothing between them.
        if self._is_full(key):
            raise Refusal("too_many_streams", message, status=429, headers={"Retry-After": str(RETRY_SECONDS)})
        self._taken[key] += 1
        try:
            yield
        finally:
            self._taken[key] -= 1
            if not self._taken[key]:
                del self._taken[key]

    def _is_full(self, key: Hashable) -> bool:
        of_key = self._per_key()
        return bool((of_key and self._taken[key] >= of_key) or (self._total and self._taken.total() >= self._total))


class Budget:
    """Bytes that all calls together may hold. A call waits for its share, first come, first served."""

    def __init__(self, total: int) -> None:
        self._total = self._free = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> int:
        """Wait until there is room for `size` bytes, and return how many to give back. More than all is all."""
        size = min(size, self._total)
        if not self._waiting and size <= self._free:
            self._free -= size
            return size
        room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, room))
        try:
            await room
        except asyncio.CancelledError:
            self._leave(size, room)
            raise
        return size

    def give_back(self, size: int) -> None:
        self._free += size
        while self._waiting and self._waiting[0][0] <= self._free:
            granted, room = self._waiting.popleft()
            if not room.cancelled():
                self._free -= granted
                room.set_result(None)

    def _leave(self, size: int, room: "asyncio.Future[None]") -> None:
        """A call that waits is cancelled. It may have been granted its share in the same moment."""
        if room.done() and not room.cancelled():
            self.give_back(size)
            return
        self._waiting = deque(waiting for waiting in self._waiting if waiting[1] is not room)
        # The calls behind it may fit now.
        self.give_back(0)
