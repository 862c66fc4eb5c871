"""People who upload a file each, all at once, by tus as our page does: create, ask for the offset, send the chunks.

A chunk that is refused or lost is sent again, as any tus client would; each such answer is counted.
"""

import asyncio
import base64
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from tests.load.program import Told, serve

TUS = {"Tus-Resumable": "1.0.0"}
CSRF = "c" * 32
# After the network or the server has failed.
PAUSE, ATTEMPTS = 0.5, 20


@dataclass
class Person:
    """Somebody, and how their upload went. Times are the machine's clock's."""

    number: int
    session: str
    address: str
    upload: str = ""
    began: float = 0.0
    created: float = 0.0
    # When the server had said that it has all bytes up to an offset, and how long each answer took.
    acknowledged: list[tuple[int, float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def headers(self) -> dict[str, str]:
        return TUS | {"Cookie": f"sessionid={self.session}; csrftoken={CSRF}", "X-CSRFToken": CSRF}


class Sender:
    """Sends everybody's file and counts what goes wrong."""

    def __init__(self, session: aiohttp.ClientSession, chunk: int) -> None:
        self._session = session
        self._chunk = chunk
        self.errors: Counter[str] = Counter()

    async def send(self, person: Person, data: bytes) -> None:
        name = base64.b64encode(f"sales of {person.number}.csv".encode()).decode()
        person.began = time.time()
        described = {"Upload-Length": str(len(data)), "Upload-Metadata": f"filename {name}"}
        _, headers = await self._ask("POST", person, person.address, described, expected=201)
        person.created = time.time()
        person.upload = headers["Location"].rstrip("/").rpartition("/")[2]
        url = str(URL(person.address).join(URL(headers["Location"])))
        offset = await self._offset(person, url)
        while offset < len(data):
            chunk = data[offset : offset + self._chunk]
            about = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
            asked = time.time()
            status, headers = await self._ask("PATCH", person, url, about, chunk, expected=204)
            if status != 204:
                offset = await self._offset(person, url)
                continue
            now = time.time()
            offset = int(headers["Upload-Offset"])
            person.acknowledged.append((offset, now))
            person.seconds.append(now - asked)

    async def _offset(self, person: Person, url: str) -> int:
        _, headers = await self._ask("HEAD", person, url, {}, expected=200)
        return int(headers["Upload-Offset"])

    async def _ask(
        self, method: str, person: Person, url: str, headers: dict[str, str], data: bytes = b"", *, expected: int
    ) -> tuple[int, Any]:
        """The answer, when it is the expected one; a PATCH's also otherwise, since what it did has to be asked."""
        for _ in range(ATTEMPTS):
            try:
                async with self._session.request(method, url, headers=person.headers | headers, data=data) as answer:
                    await answer.read()
                    if answer.status == expected:
                        return answer.status, answer.headers
                    self.errors[f"{method} {answer.status}"] += 1
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self.errors[f"{method} {type(error).__name__}"] += 1
            await asyncio.sleep(PAUSE)
            if method == "PATCH":
                return 0, {}
        raise RuntimeError(f"{method} {url} failed {ATTEMPTS} times: {self.errors}")


async def upload(asked: Told) -> Told:
    """Everybody's file, each with a first row of its own."""
    content = Path(asked["path"]).read_bytes()
    header, _, rows = content.partition(b"\n")
    people = [Person(**one) for one in asked["people"]]
    cpu, began = time.process_time(), time.time()
    timeout = aiohttp.ClientTimeout(total=asked["seconds"])
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http:
        sender = Sender(http, asked["chunk"])
        files = (b"%b\nPerson %d,2024-01-01,%d\n%b" % (header, one.number, one.number, rows) for one in people)
        await asyncio.gather(*(sender.send(one, file) for one, file in zip(people, files, strict=True)))
    return {
        "began": began,
        "ended": time.time(),
        "cpu": time.process_time() - cpu,
        "errors": sender.errors,
        "people": [
            {
                "number": one.number,
                "upload": one.upload,
                "create": one.created - one.began,
                "acknowledged": one.acknowledged,
                "seconds": one.seconds,
            }
            for one in people
        ],
    }


if __name__ == "__main__":
    serve(upload)
