"""The live socket: a person's own jobs, as they change.

On connecting: join the owner's group first, then send a snapshot of the jobs, then only what is newer than what was
sent. In this order nothing can fall between snapshot and events. An event can still be lost (Redis restarted, say), so
the socket also looks every few seconds at how far the jobs are and sends what it missed.
"""

import asyncio
import contextlib
import logging
import random
import uuid
from typing import Any
from urllib.parse import parse_qs

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.db import DatabaseError
from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import check_for_language

from accounts import logcontext, metrics, presence
from accounts.credentials import Proof
from accounts.errors import Refusal
from reports import admission, events, openstreams, readings, words
from reports.models import Job
from reports.snapshots import Snapshot, describe
from reports.sockets import in_thread, user_of

logger = logging.getLogger(__name__)

# Closing codes of our own (4000 and up are free for applications).
NOT_LOGGED_IN = 4401
TOO_MANY_STREAMS = 4429
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

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        # What is counted is so until the socket is gone, whatever ends it.
        with contextlib.ExitStack() as self.counted:
            await super().__call__(scope, receive, send)

    async def connect(self) -> None:
        self.waiting: dict[str, Snapshot] = {}
        self.sent: dict[str, int] = {}
        self.joined = False
        self.wake = asyncio.Event()
        self.credentials_may_have_changed = asyncio.Event()
        self.background: list[asyncio.Task[None]] = []
        # Before anything is known: a browser is told the code of a closed socket, but nothing about a refused one.
        await self.accept()
        user = await user_of(self.scope)
        if user is None:
            await self.close(NOT_LOGGED_IN)
            return
        try:
            self.counted.enter_context(openstreams.reserve(user.pk))
        except Refusal as refusal:
            await self.close(TOO_MANY_STREAMS, refusal.code)
            return
        self.owner_id: int = user.pk
        self.proof = Proof(user.pk, session_key=self.scope["session"].session_key)
        logcontext.note(user=user.pk)
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        self.shown = _ids_in(query.get("job", []))
        self.language = query.get("language", [""])[0]
        await self.join()
        jobs = await in_thread(self.recent_jobs)
        self.sent = {job["id"]: job["version"] for job in jobs}
        await self.send_jobs("snapshot", jobs)
        tasks = (self.send_waiting(), self.reread(), self.watch_credentials())
        self.background = [asyncio.create_task(task) for task in tasks]

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
        metrics.EVENTS_RECEIVED.inc()
        self.offer(event["job"])

    async def job_removed(self, event: dict[str, Any]) -> None:
        """An event from the group."""
        await self.tell_removed([event["id"]])

    async def credentials_changed(self, event: dict[str, Any]) -> None:
        """An event from the group."""
        self.credentials_may_have_changed.set()

    async def join(self) -> None:
        """Be told what happens. While that cannot be asked for, what `reread` finds has to do."""
        try:
            async with asyncio.timeout(events.PUBLISH_TIMEOUT):
                await self.channel_layer.group_add(events.group_of(self.owner_id), self.channel_name)
            self.joined = True
        except Exception as error:
            metrics.FAILURES.labels("channel_layer").inc()
            logger.warning("a socket of user %s is not told of events yet: %r", self.owner_id, error)

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
        if job["version"] > self.known_version(job["id"]):
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

    async def watch_credentials(self) -> None:
        """Close the socket when the session that it was opened with is no longer good. See `reports.admission`."""
        while await self.is_good():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(admission.CHECK_SECONDS):
                    await self.credentials_may_have_changed.wait()
                self.credentials_may_have_changed.clear()
                await asyncio.sleep(admission.SHARED_SECONDS)
        await self.close(NOT_LOGGED_IN)

    async def is_good(self) -> bool:
        try:
            return await admission.is_good(self.proof)
        except DatabaseError:
            # Down for a moment; the next check decides.
            logger.warning("session of user %s not checked", self.owner_id, exc_info=True)
            return True

    async def reread(self) -> None:
        """Find what no event told."""
        # Sockets that were opened together, after a restart of the server say, do not read together for ever.
        await asyncio.sleep(REREAD_SECONDS * random.random())  # noqa: S311  (nothing secret)
        while True:
            if not self.joined:
                await self.join()
            try:
                await self.catch_up()
            except DatabaseError:
                # Away for a moment; the next reading tells.
                logger.warning("jobs of user %s not read", self.owner_id, exc_info=True)
            await asyncio.sleep(REREAD_SECONDS)

    async def catch_up(self) -> None:
        """Send what no event told.

        Mostly there is nothing. So versions are read first, by one for all sockets of a person, and whole jobs only
        when they are newer.
        """
        versions = await readings.read(
            ("versions", self.owner_id), self.recent_versions, max_age=REREAD_SECONDS / 2, enough=lambda _: True
        )
        if others := self.sent.keys() - versions.keys():
            found = await in_thread(self.versions_of, others)
            versions = versions | found
            if gone := others - found.keys():
                await self.tell_removed(list(gone))
        if missed := [job for job, version in versions.items() if version > self.known_version(job)]:
            for snapshot in await in_thread(self.jobs_of, missed):
                self.offer(snapshot)

    def known_version(self, job_id: str) -> int:
        """The newest of the job that the browser has, or will have in a moment."""
        waiting = self.waiting.get(job_id)
        return max(self.sent.get(job_id, 0), waiting["version"] if waiting else 0)

    def recent_jobs(self) -> list[Snapshot]:
        presence.touch(self.owner_id)
        jobs = Job.objects.filter(owner_id=self.owner_id).select_related("upload").order_by("-created_at")
        recent = list(jobs[:RECENT_JOBS])
        others = jobs.filter(pk__in=self.shown).exclude(pk__in=[job.pk for job in recent]) if self.shown else []
        return [describe(job) for job in [*recent, *others]]

    def recent_versions(self) -> dict[str, int]:
        """How far the latest jobs are."""
        presence.touch(self.owner_id)
        jobs = Job.objects.filter(owner_id=self.owner_id).order_by("-created_at")
        return _versions(jobs[:RECENT_JOBS])

    def versions_of(self, ids: set[str]) -> dict[str, int]:
        """Of those that there still are."""
        return _versions(Job.objects.filter(owner_id=self.owner_id, pk__in=ids))

    def jobs_of(self, ids: list[str]) -> list[Snapshot]:
        jobs = Job.objects.filter(owner_id=self.owner_id, pk__in=ids).select_related("upload")
        return [describe(job) for job in jobs]


def _versions(jobs: QuerySet[Job]) -> dict[str, int]:
    return {str(job_id): version for job_id, version in jobs.values_list("pk", "version")}


def _ids_in(texts: list[str]) -> list[uuid.UUID]:
    """The jobs that a page says it shows; what is no id is left out."""
    ids = []
    for text in texts[:SHOWN_JOBS]:
        with contextlib.suppress(ValueError):
            ids.append(uuid.UUID(text))
    return ids
