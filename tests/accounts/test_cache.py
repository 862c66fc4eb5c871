"""The cache goes on, in each process by itself, when Redis is down, hangs, or is full."""

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis as Client

from accounts import cache as module
from accounts.cache import RedisCache
from salesagg import backends
from tests.services import Redis

pytestmark = pytest.mark.services


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    yield server
    server.process.signal_group(signal.SIGCONT)
    server.end()


@pytest.fixture
def cache(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> RedisCache:
    monkeypatch.setattr(module, "OUTAGE_SECONDS", 0.5)
    return made(redis)


def made(redis: Redis) -> RedisCache:
    described = backends.caches(redis.url)["default"]
    return RedisCache(described["LOCATION"], described)


def check_all(cache: RedisCache) -> None:
    """Whatever can be asked of a cache."""
    cache.clear()
    assert cache.add("count", 1) is True
    assert cache.add("count", 5) is False
    assert cache.incr("count") == 2
    with pytest.raises(ValueError, match="not found"):
        cache.incr("another")
    cache.set("name", ["x"], 60)
    cache.set("gone", 1, 0)
    cache.set_many({"a": 1, "b": 2}, 60)
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": 2}
    assert (cache.get("name"), cache.get("gone"), cache.get("gone", 7)) == (["x"], None, 7)
    assert cache.touch("name", 60)
    assert cache.has_key("name")
    assert cache.delete("name")
    cache.delete_many(["a", "b"])
    assert cache.get_many(["a", "b", "name", "count"]) == {"count": 2}


def test_with_redis_all_processes_share_it(cache: RedisCache, redis: Redis) -> None:
    check_all(cache)
    with Client.from_url(redis.url) as client:
        assert client.get("salesagg:1:count") == b"2"


def test_while_redis_is_down_it_goes_on_and_then_returns(cache: RedisCache, redis: Redis) -> None:
    redis.end()
    check_all(cache)
    redis.start()
    deadline = time.monotonic() + 10
    while cache.get("count") is not None:
        # What this process counted is not what all of them did.
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)


def test_a_redis_that_hangs_is_waited_for_once(cache: RedisCache, redis: Redis) -> None:
    cache.set("name", 1)
    redis.process.signal_group(signal.SIGSTOP)
    began = time.monotonic()
    cache.get("name")
    assert time.monotonic() - began < 2
    began = time.monotonic()
    check_all(cache)
    assert time.monotonic() - began < 0.4


def test_a_redis_that_is_full_is_as_one_that_is_away(cache: RedisCache, redis: Redis) -> None:
    with Client.from_url(redis.url) as client:
        client.config_set("maxmemory", 1)
    check_all(cache)


def test_requests_share_connections(cache: RedisCache, redis: Redis) -> None:
    """Django makes a cache for each."""
    for _ in range(20):
        made(redis).get("name")
    with Client.from_url(redis.url) as client:
        assert len(client.client_list()) <= 2
