"""The cache in Redis that all processes share, and a poorer one for as long as Redis is away.

Only counts of requests and of log-ins, and who is present, are kept in it. Without Redis each process counts for
itself: limits are looser then, but there are some, and nobody is locked out because a cache is away.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

from django.core.cache.backends import redis
from django.core.cache.backends.locmem import LocMemCache
from redis.exceptions import RedisError

from accounts import metrics
from accounts.outage import Outage

logger = logging.getLogger(__name__)

# A Redis that hangs costs the socket's timeout; pay that once, not with every request.
OUTAGE_SECONDS = 5.0

_clients: dict[str, "_Client"] = {}
_lock = threading.Lock()


class RedisCache(redis.RedisCache):
    """Django's own, which raises nothing when Redis is down, hangs, or is full."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._server = server
        self._client_options: dict[str, Any] = params.get("OPTIONS", {})

    @property
    def _cache(self) -> "_Client":  # type: ignore[override]
        """One for the process. Django makes a cache anew for each request, and each would connect anew."""
        with _lock:
            if self._server not in _clients:
                _clients[self._server] = _Client(self._server, self._client_options)
            return _clients[self._server]


class _Client:
    """Does what it is asked in Redis; in this process's memory where that fails, and for a while after."""

    def __init__(self, server: str, options: dict[str, Any]) -> None:
        self._redis = redis.RedisCacheClient([server], **options)
        self._memory = LocMemCache(server, {})
        self._outage = Outage(OUTAGE_SECONDS)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def act(*args: Any) -> Any:
            if not self._outage.is_on:
                try:
                    return getattr(self._redis, name)(*args)
                except (RedisError, OSError) as error:
                    self._outage.begin()
                    metrics.FAILURES.labels("cache").inc()
                    logger.warning("cache: Redis is away, each process counts for itself: %r", error)
            # Both take the same arguments in the same order.
            return getattr(self._memory, name)(*args)

        return act
