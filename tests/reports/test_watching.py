"""Watching one job: from its beginning to its end, never an older state after a newer one, whatever is lost between."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.db import OperationalError

from accounts.models import User
from reports import events, lifecycle, loop, runner, watching
from reports.models import Job
from reports.snapshots import Snapshot
from reports.watching import Begun, Changed, Ended, News, Quiet, Removed
from tests.conftest import MakeUpload
from tests.files import sales_csv
from tests.services import free_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
DATA = sales_csv(50)

in_thread: Callable[..., Any] = database_sync_to_async
Watched = AsyncGenerator[News, None]


@pytest.fixture(autouse=True)
async def _events_reach_this_loop() -> None:
    loop.use(asyncio.get_running_loop())


@pytest.fixture
async def job(make_upload: MakeUpload) -> Job:
    return await job_of(await in_thread(make_upload)(DATA))


async def job_of(upload: Any) -> Job:
    job: Job = await in_thread(upload.jobs.get)()
    return job


@contextlib.asynccontextmanager
async def watched(job: Job, **options: Any) -> AsyncIterator[Watched]:
    async with contextlib.aclosing(watching.watch(job.pk, job.owner_id, **options)) as news:
        yield news


async def told(news: Watched) -> News:
    async with asyncio.timeout(20):
        return await anext(news)


async def begun(news: Watched) -> Job:
    first = await told(news)
    assert isinstance(first, Begun)
    return first.job


async def rest(news: Watched) -> list[News]:
    async with asyncio.timeout(20):
        return [one async for one in news]


def touch(job: Job) -> None:
    """A visible change, announced at once."""
    lifecycle.upload_progressed(job.upload)
    events.announce(job.pk)


async def test_it_tells_a_job_from_its_beginning_to_its_end(job: Job) -> None:
    async with watched(job) as news:
        first = await begun(news)
        await in_thread(runner.run_all)()
        *changes, last = await rest(news)
    assert (first.pk, first.status) == (job.pk, "pending")
    assert isinstance(last, Ended)
    assert (last.job.status, last.job.rows, last.job.departments) == ("completed", 50, 5)
    versions = [first.version, *(one.snapshot["version"] for one in changes if isinstance(one, Changed))]
    assert [*versions, last.job.version] == sorted({*versions, last.job.version})


@pytest.mark.parametrize("ending", ["completed", "cancelled"])
async def test_of_a_job_that_has_ended_it_tells_just_that(job: Job, ending: str) -> None:
    await in_thread(lifecycle.cancel)(job) if ending == "cancelled" else await in_thread(runner.run_all)()
    async with watched(job) as news:
        await begun(news)
        [last] = await rest(news)
    assert isinstance(last, Ended)
    assert last.job.status == ending


async def test_a_burst_of_changes_is_told_in_few_the_last_of_them_the_last_state(job: Job) -> None:
    def change() -> None:
        for _ in range(40):
            touch(job)

    async with watched(job) as news:
        before = (await begun(news)).version
        began = time.monotonic()
        await in_thread(change)()
        changes: list[Snapshot] = []
        while not changes or changes[-1]["version"] < before + 40:
            change_told = await told(news)
            assert isinstance(change_told, Changed)
            changes.append(change_told.snapshot)
        elapsed = time.monotonic() - began
    assert changes[-1]["version"] == before + 40
    assert len(changes) <= 1 + elapsed / watching.INTERVAL


async def test_nothing_is_told_twice_nor_what_is_older(job: Job) -> None:
    async with watched(job) as news:
        await in_thread(touch)(job)
        known = await begun(news)
        for version in (known.version, known.version - 1):
            old = {"id": str(job.pk), "version": version, "status": "pending"}
            await get_channel_layer().group_send(events.group_of(job.owner_id), {"type": "job.changed", "job": old})
        await in_thread(touch)(job)
        newer = await told(news)
    assert isinstance(newer, Changed)
    assert newer.snapshot["version"] == known.version + 1


async def test_other_jobs_of_the_same_person_are_not_told(job: Job, make_upload: MakeUpload) -> None:
    async with watched(job) as news:
        await begun(news)
        other = await job_of(await in_thread(make_upload)(DATA))
        await in_thread(touch)(other)
        await in_thread(lifecycle.delete)(other)
        await in_thread(touch)(job)
        change = await told(news)
    assert isinstance(change, Changed)
    assert change.snapshot["id"] == str(job.pk)


@pytest.mark.parametrize("end", ["completed", "removed"])
async def test_lost_events_are_made_up_for_by_reading_again(
    job: Job, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(watching, "REREAD_SECONDS", 0.05)
    async with watched(job) as news:
        await begun(news)
        monkeypatch.setattr(events, "announce", lambda job_id: None)
        monkeypatch.setattr(events, "announce_removed", lambda owner_id, job_id: None)
        await in_thread(lifecycle.upload_progressed)(job.upload)
        assert isinstance(await told(news), Changed)
        await in_thread(runner.run_all)() if end == "completed" else await in_thread(lifecycle.delete)(job)
        last = (await rest(news))[-1]
    assert isinstance(last, Ended if end == "completed" else Removed)


async def test_without_a_channel_layer_reading_does(job: Job, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "REREAD_SECONDS", 0.05)
    monkeypatch.setattr(events, "announce", lambda job_id: None)
    dead = {"hosts": [f"redis://127.0.0.1:{free_port()}/0"]}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": dead}}
    async with watched(job) as news:
        await begun(news)
        await in_thread(runner.run_all)()
        assert isinstance((await rest(news))[-1], Ended)


async def test_a_database_that_is_away_for_a_moment_ends_nothing(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "RETRY_SECONDS", 0.05)
    failures = iter([OperationalError("the server closed the connection")] * 2)
    load = watching._Watcher._load

    async def fail_first(watcher: watching._Watcher) -> Job | None:
        for failure in failures:
            raise failure
        return await load(watcher)

    monkeypatch.setattr(watching._Watcher, "_load", fail_first)
    async with watched(job) as news:
        await begun(news)
        failures = iter([OperationalError("again")])
        await in_thread(runner.run_all)()
        assert isinstance((await rest(news))[-1], Ended)


async def test_a_job_that_is_removed_is_told_and_it_ends(job: Job) -> None:
    async with watched(job) as news:
        await begun(news)
        await in_thread(lifecycle.delete)(job)
        assert await rest(news) == [Removed()]


async def test_a_job_that_never_was_is_removed(user: User) -> None:
    async with contextlib.aclosing(watching.watch(uuid.uuid4(), user.pk)) as news:
        assert await rest(news) == [Removed()]


@pytest.mark.parametrize("why", ["locked out", "not allowed any more"])
async def test_it_ends_soon_after_its_reader_may_not_know(job: Job, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    monkeypatch.setattr(watching, "REREAD_SECONDS", 0.05)
    allowed = [True]

    async def is_allowed() -> bool:
        return allowed[0]

    async with watched(job, allowed=is_allowed) as news:
        await begun(news)
        if why == "locked out":
            await in_thread(User.objects.update)(is_active=False)
        else:
            allowed[0] = False
        assert await rest(news) == []


async def test_it_gives_a_sign_when_there_is_nothing_to_tell(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "QUIET_SECONDS", 0.05)
    async with watched(job) as news:
        await begun(news)
        assert [await told(news), await told(news)] == [Quiet(), Quiet()]


async def test_who_stops_watching_leaves_nothing_behind(job: Job) -> None:
    layer = get_channel_layer()
    # A channel that somebody left while an event was on its way stays until that expires.
    before = set(layer.channels)
    async with watched(job) as news:
        await begun(news)
        assert any(events.group_of(job.owner_id) in name for name in layer.groups)
    assert dict(layer.groups) == {}
    assert set(layer.channels) <= before


async def test_all_of_many_see_the_end(job: Job) -> None:
    async def ending() -> News:
        async with watched(job) as news:
            begun_all.release()
            return (await rest(news))[-1]

    begun_all = asyncio.Semaphore(0)
    watchers = [asyncio.create_task(ending()) for _ in range(50)]
    for _ in watchers:
        await begun_all.acquire()
    await in_thread(runner.run_all)()
    endings = await asyncio.gather(*watchers)
    assert [one.job.status for one in endings if isinstance(one, Ended)] == ["completed"] * 50


async def test_whoever_stops_soon_after_having_begun_is_let_go(job: Job) -> None:
    # An order to stop that comes while Redis's client sends may be lost there.
    async with watched(job) as first:
        await begun(first)
        for turns in range(12):
            async with asyncio.timeout(10), watched(job) as news:
                coming = asyncio.ensure_future(anext(news))
                for _ in range(turns):
                    await asyncio.sleep(0)
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
