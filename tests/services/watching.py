"""A page that somebody has open: its socket, which is opened again when it breaks, as the page's script does."""

import json
import threading
import time
from typing import Any

import requests
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.services.processes import wait_until


class Page:
    """What the page of a logged-in `session` has been told of jobs."""

    def __init__(self, address: str, session: requests.Session, *, retry_seconds: float = 1.0) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.connections = 0
        self._address = address.replace("http", "ws", 1) + "/ws/jobs/"
        self._origin = Origin(address)
        self._cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in session.cookies)
        self._retry_seconds = retry_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def wait_for(self, job: str, status: str, *, timeout: float) -> float:
        """Until the page shows so; returns how long that took."""
        began = time.monotonic()
        wait_until(
            lambda: self.jobs.get(job, {}).get("status") == status, what=f"{status} on the page", timeout=timeout
        )
        return time.monotonic() - began

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join(10)

    def _watch(self) -> None:
        while not self._ended.is_set():
            try:
                self._listen()
            except (OSError, WebSocketException):
                self._ended.wait(self._retry_seconds)

    def _listen(self) -> None:
        headers = {"Cookie": self._cookies}
        with connect(self._address, additional_headers=headers, origin=self._origin, open_timeout=5) as socket:
            self.connections += 1
            while not self._ended.is_set():
                try:
                    told = json.loads(socket.recv(timeout=0.2))
                except TimeoutError:
                    continue
                if told["type"] == "removed":
                    for job in told["jobs"]:
                        self.jobs.pop(job, None)
                else:
                    self.jobs.update({job["id"]: job for job in told["jobs"]})
