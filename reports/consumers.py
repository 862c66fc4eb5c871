"""The live socket: a person's own jobs, as they change.

On connecting: join the owner's group first, then send a snapshot of the jobs, then only what is newer than what was
sent. In this order nothing can fall between snapshot and events. An event can still be lost (Redis restarted, say), so
the socket also reads the jobs anew every few seconds and sends what it missed.
"""

import asyncio
import contextlib
import logging
import uuid
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.db import DatabaseError
from django.utils import translation
from django.utils.translation import check_for_language

from accounts import presence
from accounts.models import User
from reports import events, words
from reports.models import Job
from reports.snapshots import Snapshot, describe

logger = logging.getLogger(__name__)

# Closing codes of our own (4000 and up are free for applications).
NOT_LOGGED_IN = 4401
# At most this often a job is sent to one browser: four times a second.
SEND_INTERVAL = 0.25
REREAD_SECONDS = 7.0
# More than one page of the dashboard, so that what comes while a page is open is among them.
RECENT_JOBS = 50
# As many as a page may show besides.
SHOWN_JOBS = 50


class JobsConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Messages to the browser: ``{"type": "snapshot", "jobs": […]}`` once, then ``{"type": "jobs", "jobs": […]}``, and
    ``{"type": "removed", "jobs": [id, …]}``.

    The snapshot has the latest jobs, and those that the page shows besides, as it says: ``/ws/jobs/?job=id&job=id``.
    Errors are told in the page's ``language``.
    """

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
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        self.shown = _ids_in(query.get("job", []))
        self.language = query.get("language", [""])[0]
        await self.channel_layer.group_add(events.group_of(self.owner_id), self.channel_name)
        await self.accept()
        jobs = await self.recent_jobs()
        self.sent = {job["id"]: job["version"] for job in jobs}
        await self.send_jobs("snapshot", jobs)
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

    async def job_removed(self, event: dict[str, Any]) -> None:
        """An event from the group."""
        await self.tell_removed([event["id"]])

    async def send_jobs(self, kind: str, jobs: list[Snapshot]) -> None:
        if check_for_language(self.language):
            with translation.override(self.language):
                jobs = [{**job, "error": words.error(job["error_code"], job["error"])} for job in jobs]
        await self.send_json({"type": kind, "jobs": jobs})

    async def tell_removed(self, ids: list[str]) -> None:
        for job_id in ids:
            self.sent.pop(job_id, None)
            self.waiting.pop(job_id, None)
        await self.send_json({"type": "removed", "jobs": ids})

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
            await self.send_jobs("jobs", jobs)
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
                if gone := await self.gone():
                    await self.tell_removed(gone)

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def recent_jobs(self) -> list[Snapshot]:
        presence.touch(self.owner_id)
        jobs = Job.objects.filter(owner_id=self.owner_id).select_related("upload").order_by("-created_at")
        recent = list(jobs[:RECENT_JOBS])
        others = jobs.filter(pk__in=self.shown).exclude(pk__in=[job.pk for job in recent])
        return [describe(job) for job in [*recent, *others]]

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def gone(self) -> list[str]:
        """Which of the jobs the browser knows are no more."""
        there = Job.objects.filter(owner_id=self.owner_id, pk__in=list(self.sent)).values_list("pk", flat=True)
        return list(self.sent.keys() - set(map(str, there)))

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def still_logged_in(self) -> bool:
        session = self.scope["session"]
        if not User.objects.filter(pk=self.owner_id, is_active=True).exists():
            return False
        return bool(session.session_key and session.exists(session.session_key))


def _ids_in(texts: list[str]) -> list[uuid.UUID]:
    """The jobs that a page says it shows; what is no id is left out."""
    ids = []
    for text in texts[:SHOWN_JOBS]:
        with contextlib.suppress(ValueError):
            ids.append(uuid.UUID(text))
    return ids
