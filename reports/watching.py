"""Watching one job: what it is, then what becomes of it, till its end. For streams of any kind.

As on the socket of the pages (`reports.consumers`): join the owner's group first, then read the job, then tell only
what is newer than what was told. In this order nothing can fall between. Events may be lost, and the channel layer or
the database may be away for a moment: the job is read anew every few seconds, and whatever that finds is told.

What events carry is passed on as it is, so that a change costs no query, however many watch.
"""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import django.db
from channels.layers import get_channel_layer

from accounts import metrics
from reports import admission, events, readings
from reports.models import FINISHED, Job
from reports.snapshots import Snapshot, describe

logger = logging.getLogger(__name__)

# At most this often a change is told: what an eye can follow.
INTERVAL = 0.3
# Also how often it is asked whether the watcher may go on.
REREAD_SECONDS = admission.CHECK_SECONDS
# After a reading that failed.
RETRY_SECONDS = 1.0
# Proxies end connections on which nothing has come for a while, usually a minute.
QUIET_SECONDS = 15.0
# For so long the beginning waits for the channel layer, and the end too. Without it there is the reading.
LAYER_SECONDS = 2.0


@dataclass(frozen=True)
class Begun:
    """The job as it was when the watching began. Comes once, first."""

    job: Job


@dataclass(frozen=True)
class Changed:
    """The job is further, or its upload is."""

    snapshot: Snapshot


@dataclass(frozen=True)
class Ended:
    """The job as it has ended. Comes once, last."""

    job: Job


@dataclass(frozen=True)
class Removed:
    """The job is no more. Comes last."""


@dataclass(frozen=True)
class Quiet:
    """Nothing has been told for a while; the watching goes on."""


News = Begun | Changed | Ended | Removed | Quiet


async def watch(
    job_id: uuid.UUID, owner_id: int, *, allowed: Callable[[], Awaitable[bool]] | None = None
) -> AsyncGenerator[News, None]:
    """What there is to tell about the job of that owner, until it has ended or is removed.

    Ends without a word when its owner has been locked out, or when `allowed`, which is asked every few seconds, says
    no. Whoever stops listening closes the generator (`contextlib.aclosing`).
    """
    watcher = _Watcher(job_id, allowed)
    listening = asyncio.create_task(_listen(events.group_of(owner_id), watcher))
    try:
        await watcher.joined()
        while not watcher.is_over:
            for news in await watcher.look():
                yield news
    finally:
        watcher.is_over = True
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening


class _Watcher:
    """What its reader knows of the job, and what is to be told."""

    def __init__(self, job_id: uuid.UUID, allowed: Callable[[], Awaitable[bool]] | None) -> None:
        self.is_over = False
        self._job_id = job_id
        self._allowed = allowed
        self._known = 0
        self._newest: Snapshot | None = None
        self._trusts_others = False
        self._read_at = self._tell_at = 0.0
        self._quiet_at = time.monotonic() + QUIET_SECONDS
        self._awake = asyncio.Event()
        self._joined = asyncio.Event()

    async def joined(self) -> None:
        """Wait until events come, or until it has taken too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAYER_SECONDS):
                await self._joined.wait()

    def join(self) -> None:
        """Events come from now on; what was before only the database can tell, read from now on."""
        self._joined.set()
        self._trusts_others = False
        self._read_soon()

    def hear(self, event: dict[str, Any]) -> None:
        """An event of the owner's group, perhaps about this job."""
        if event["type"] == "job.removed" and event["id"] == str(self._job_id):
            self._trusts_others = False
            self._read_soon()
        elif event["type"] == "job.changed" and event["job"]["id"] == str(self._job_id):
            metrics.EVENTS_RECEIVED.inc()
            self._offer(event["job"])
        elif event["type"] == "credentials.changed":
            self._trusts_others = False
            self._read_at = min(self._read_at, time.monotonic() + admission.SHARED_SECONDS)
            self._awake.set()

    async def look(self) -> list[News]:
        """Wait until there is something to tell, or may be."""
        await self._sleep()
        self._awake.clear()
        news = await self._read() if time.monotonic() >= self._read_at else []
        now = time.monotonic()
        if not news and self._newest and now >= self._tell_at:
            self._known = self._newest["version"]
            news.append(Changed(self._newest))
            self._newest = None
        if not news and now >= self._quiet_at:
            news.append(Quiet())
        if news:
            self._tell_at, self._quiet_at = now + INTERVAL, now + QUIET_SECONDS
        return news

    async def _sleep(self) -> None:
        until = min(self._read_at, self._quiet_at, self._tell_at if self._newest else self._read_at)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(until - time.monotonic(), 0)):
                await self._awake.wait()

    async def _read(self) -> list[News]:
        """What the database tells that is to be told at once. What can wait for its turn is kept as an event is."""
        self._read_at = time.monotonic() + REREAD_SECONDS
        try:
            job = await self._load()
            may_go_on = job is not None and job.owner.is_active and (self._allowed is None or await self._allowed())
        except django.db.Error as error:
            logger.warning("job %s not read: %r", self._job_id, error)
            self._read_at = time.monotonic() + RETRY_SECONDS
            return []
        if job is None or not may_go_on:
            self.is_over = True
            return [Removed()] if job is None else []
        news: list[News] = []
        if not self._known:
            self._known = job.version
            news.append(Begun(job))
        if job.is_finished:
            self.is_over = True
            news.append(Ended(job))
        else:
            self._offer(describe(job))
        return news

    async def _load(self) -> Job | None:
        """The job, as the database has it, or had it when another watcher asked a moment ago, if that is new enough."""
        wanted = self._newest["version"] if self._newest else self._known
        job = await readings.read(
            self._job_id,
            lambda: Job.objects.select_related("upload", "owner").filter(pk=self._job_id).first(),
            max_age=REREAD_SECONDS / 2 if self._trusts_others else 0,
            enough=lambda job: job is None or job.version >= wanted,
        )
        self._trusts_others = True
        return job

    def _offer(self, snapshot: Snapshot) -> None:
        newest = self._newest["version"] if self._newest else self._known
        if snapshot["version"] <= newest:
            return
        if snapshot["status"] in FINISHED:
            # The end is told with all that belongs to it, as the database has it.
            self._read_soon()
        self._newest = snapshot
        self._awake.set()

    def _read_soon(self) -> None:
        self._read_at = 0.0
        self._awake.set()


async def _listen(group: str, watcher: _Watcher) -> None:
    """Hand the events of `group` to `watcher`, until cancelled. Without a channel layer, its reading must do."""
    layer = get_channel_layer()
    try:
        channel = await layer.new_channel()
        try:
            await layer.group_add(group, channel)
            watcher.join()
            if watcher.is_over and (task := asyncio.current_task()):
                # It was cancelled, and Redis's client lost that (by `asyncio.wait_for` of Python 3.11, cpython#86296).
                task.cancel()
            while True:
                # Cancelled here, the layer forgets the channel.
                watcher.hear(await layer.receive(channel))
        finally:
            async with asyncio.timeout(LAYER_SECONDS):
                await layer.group_discard(group, channel)
    except Exception as error:
        logger.warning("no events for the watcher of %s: %r", group, error)
        watcher.join()
