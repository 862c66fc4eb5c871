"""Dashboards: open sockets, each of which notes when it was told what. As a page does, it opens a lost one again."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin

from tests.load.program import Told, serve

RETRY_SECONDS = 1.0
# A server that is restarted has all of them come back at once.
OPEN_SECONDS = 60.0


@dataclass
class Dashboard:
    """One socket. Times are the machine's clock's."""

    number: int
    session: str
    address: str
    errors: Counter[str]
    # How long it took to see the first jobs, those attempts included that failed.
    opened: float = 0.0
    began: float = 0.0
    # What it was told, in order: when, upload, offset, status, version, when the job had ended.
    told: list[tuple[float, str, int, str, int, str]] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self) -> None:
        self.began = time.time()
        while True:
            try:
                await self._listen()
            except (OSError, TimeoutError, WebSocketException) as error:
                self.errors[f"socket {type(error).__name__}"] += 1
            await asyncio.sleep(RETRY_SECONDS)

    async def saw_end_of(self, upload: str) -> None:
        while upload not in self.ended:
            self.changed.clear()
            await self.changed.wait()

    async def _listen(self) -> None:
        origin = Origin(self.address.replace("ws", "http", 1).partition("/ws/")[0])
        async with connect(
            self.address,
            additional_headers={"Cookie": f"sessionid={self.session}"},
            origin=origin,
            open_timeout=OPEN_SECONDS,
            compression=None,
        ) as socket:
            async for message in socket:
                now, told = time.time(), json.loads(message)
                if told["type"] == "snapshot":
                    self.opened = self.opened or now - self.began
                    self.ready.set()
                if told["type"] != "removed":
                    for job in told["jobs"]:
                        self._note(now, job)

    def _note(self, now: float, job: dict[str, Any]) -> None:
        upload = job["upload"]
        end = job["finished_at"] or ""
        self.told.append((now, upload["id"], upload["offset"], job["status"], job["version"], end))
        if end:
            self.ended.add(upload["id"])
        self.changed.set()


class Dashboards:
    """All of them, from when they are opened until they are told to end."""

    def __init__(self) -> None:
        self.errors: Counter[str] = Counter()
        self.all: list[Dashboard] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.cpu = 0.0

    async def answer(self, asked: Told) -> Told:
        """``open``: all at once; ``see``: wait until each has been told of its person's upload's end; ``end``: say what
        they saw."""
        told: Told = await getattr(self, asked["do"])(asked)
        return told

    async def open(self, asked: Told) -> Told:
        self.all = [Dashboard(**one, errors=self.errors) for one in asked["dashboards"]]
        self.tasks = [asyncio.create_task(one.watch()) for one in self.all]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(asked["seconds"]):
                await asyncio.gather(*(one.ready.wait() for one in self.all))
        self.cpu = time.process_time()
        return {"seconds": [one.opened for one in self.all if one.opened], "errors": self.errors}

    async def see(self, asked: Told) -> Told:
        """Who has not seen it in time is found in what they saw."""
        waiting = (one.saw_end_of(asked["uploads"][str(one.number)]) for one in self.all)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(asked["seconds"]):
                await asyncio.gather(*waiting)
        return {}

    async def end(self, asked: Told) -> Told:
        cpu = time.process_time() - self.cpu
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        dashboards = [{"number": one.number, "told": one.told} for one in self.all]
        return {"cpu": cpu, "errors": self.errors, "dashboards": dashboards}


if __name__ == "__main__":
    serve(Dashboards().answer)
