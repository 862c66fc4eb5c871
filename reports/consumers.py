"""The live socket: a person's own jobs, as they change.

On connecting: join the owner's group first, then send a snapshot of the jobs, then only what is newer than what was
sent. In this order nothing can fall between snapshot and events. An event can still be lost (Redis restarted, say), so
the socket also reads the jobs anew every few seconds and sends what it missed.
"""

import asyncio
import contextlib
import logging
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.db import DatabaseError

from accounts.models import User
from reports import events
from reports.models import Job
from reports.snapshots import Snapshot, describe

logger = logging.getLogger(__name__)

# Closing codes of our own (4000 and up are free for applications).
NOT_LOGGED_IN = 4401
# At most this often a job is sent to one browser: four times a second.
SEND_INTERVAL = 0.25
REREAD_SECONDS = 7.0
# As many as the dashboard shows.
RECENT_JOBS = 50


class JobsConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Messages to the browser: ``{"type": "snapshot", "jobs": […]}`` once, then ``{"type": "jobs", "jobs": […]}``."""

    async def connect(self) -> None:
        user = self.scope["user"]
        self.waiting: dict[str, Snapshot] = {}
        self.sent: dict[str, int] = {}
        self.wake = asyncio.Event()
        self.background: list[asyncio.Task[None]] = []
        if not isinstance(user, User) or not user.is_active:
            # Accepted first: a browser is told the code of a closed socket, but nothing about a refused one.
            await self.accept()
            await self.close(NOT_LOGGED_IN)
            return
        self.owner_id: int = user.pk
        await self.channel_layer.group_add(events.group_of(self.owner_id), self.channel_name)
        await self.accept()
        jobs = await self.recent_jobs()
        self.sent = {job["id"]: job["version"] for job in jobs}
        await self.send_json({"type": "snapshot", "jobs": jobs})
        self.background = [asyncio.create_task(self.send_waiting()), asyncio.create_task(self.reread())]

    async def disconnect(self, code: int) -> None:
        for task in getattr(self, "background", []):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if hasattr(self, "owner_id"):
            await self.channel_layer.group_discard(events.group_of(self.owner_id), self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Browsers have nothing to say here; what they do goes through pages and the API."""

    async def job_changed(self, event: dict[str, Any]) -> None:
        """An event from the group."""
        self.offer(event["job"])

    def offer(self, job: Snapshot) -> None:
        """Send `job` at the next occasion, unless the browser knows it as new or newer."""
        newest = max(self.sent.get(job["id"], 0), self.waiting.get(job["id"], job)["version"] - 1)
        if job["version"] > newest:
            self.waiting[job["id"]] = job
            self.wake.set()

    async def send_waiting(self) -> None:
        """Send what has changed, several jobs and changes in one message, at most once in `SEND_INTERVAL`."""
        while True:
            await self.wake.wait()
            self.wake.clear()
            jobs, self.waiting = list(self.waiting.values()), {}
            self.sent.update({job["id"]: job["version"] for job in jobs})
            await self.send_json({"type": "jobs", "jobs": jobs})
            await asyncio.sleep(SEND_INTERVAL)

    async def reread(self) -> None:
        """Find what no event told; and end the socket of somebody who has logged out or been locked out meanwhile."""
        while True:
            await asyncio.sleep(REREAD_SECONDS)
            try:
                if not await self.still_logged_in():
                    await self.close(NOT_LOGGED_IN)
                    return
                jobs = await self.recent_jobs()
            except DatabaseError:
                # Away for a moment; the next reading tells.
                logger.warning("jobs of user %s not read", self.owner_id, exc_info=True)
            else:
                for job in jobs:
                    self.offer(job)

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def recent_jobs(self) -> list[Snapshot]:
        jobs = Job.objects.filter(owner_id=self.owner_id).select_related("upload").order_by("-created_at")
        return [describe(job) for job in jobs[:RECENT_JOBS]]

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def still_logged_in(self) -> bool:
        session = self.scope["session"]
        if not User.objects.filter(pk=self.owner_id, is_active=True).exists():
            return False
        return bool(session.session_key and session.exists(session.session_key))
