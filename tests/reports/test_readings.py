"""Reading once what many want at the same moment."""

import asyncio
import threading
from collections.abc import Callable, Hashable

import pytest

from reports import readings

# What is read is nothing here, but the threads that read look after their connections.
pytestmark = pytest.mark.django_db(transaction=True)


class Source:
    """Something to read, which can be held up; it gives how often it was read."""

    def __init__(self) -> None:
        self.count = 0
        self.go = threading.Event()
        self.go.set()
        self.failures = 0

    def __call__(self) -> int:
        self.count += 1
        count = self.count
        assert self.go.wait(20)
        if self.failures:
            self.failures -= 1
            raise ValueError("not now")
        return count


@pytest.fixture
def source() -> Source:
    return Source()


async def read(
    source: Source, *, key: Hashable = "key", max_age: float = 60, enough: Callable[[int], bool] = bool
) -> int:
    return await readings.read(key, source, max_age=max_age, enough=enough)


async def test_many_that_ask_at_once_are_told_the_same(source: Source) -> None:
    source.go.clear()
    many = [asyncio.create_task(read(source)) for _ in range(100)]
    await asyncio.sleep(0)
    source.go.set()
    assert set(await asyncio.gather(*many)) == {1}
    assert source.count == 1


async def test_another_key_is_another_reading(source: Source) -> None:
    assert [await read(source, key=key) for key in ("one", "other", "one")] == [1, 2, 1]


async def test_what_is_too_old_is_read_anew(source: Source) -> None:
    assert [await read(source, max_age=0) for _ in range(3)] == [1, 2, 3]


async def test_what_is_not_enough_is_read_anew(source: Source) -> None:
    assert await read(source) == 1
    assert await read(source, enough=lambda count: count >= 2) == 2


async def test_what_began_after_asking_is_enough_whatever_it_is(source: Source) -> None:
    assert await read(source, enough=lambda count: False) == 1


async def test_a_reading_under_way_that_is_not_enough_is_followed_by_one_for_all(source: Source) -> None:
    source.go.clear()
    first = asyncio.create_task(read(source))
    await asyncio.sleep(0)
    many = [asyncio.create_task(read(source, enough=lambda count: count >= 2)) for _ in range(100)]
    await asyncio.sleep(0)
    source.go.set()
    assert await first == 1
    assert set(await asyncio.gather(*many)) == {2}
    assert source.count == 2


async def test_a_failure_is_told_to_all_who_wait_and_kept_for_nobody(source: Source) -> None:
    source.failures = 1
    source.go.clear()
    many = [asyncio.create_task(read(source)) for _ in range(10)]
    await asyncio.sleep(0)
    source.go.set()
    told = await asyncio.gather(*many, return_exceptions=True)
    assert [type(one) for one in told] == [ValueError] * 10
    assert await read(source) == 2


async def test_who_stops_waiting_does_not_stop_the_others(source: Source) -> None:
    source.go.clear()
    first, second = asyncio.create_task(read(source)), asyncio.create_task(read(source))
    await asyncio.sleep(0)
    first.cancel()
    source.go.set()
    assert await second == 1
    assert source.count == 1


async def test_nothing_is_kept_for_long(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "KEPT_SECONDS", 0)
    await read(source)
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    assert not [place for place in readings._latest if place[0] is loop]
