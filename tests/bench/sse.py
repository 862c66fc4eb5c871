"""Many clients that watch one job by server-sent events: what they cost the server, and how late they learn the end.

The one-process server of ``make run``, then a web process and a worker on PostgreSQL and Redis. A file is uploaded in
slow chunks while all watch. Late is counted from the job's ``finishedAt``, by the one clock that all share here.
``BENCH_SSE_CLIENTS`` sets how many; more than 500 want larger limits than the API's (``API_REQUESTS_PER_MINUTE``).
"""

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import requests

from tests.files import write_sales
from tests.services import Postgres, Redis, wait_until
from tests.services.site import Site, services_site
from tests.services.tus import upload, uploading

CLIENTS = int(os.environ.get("BENCH_SSE_CLIENTS", "200"))
MEGABYTES, CHUNK = 20, 1 << 20
# Between two chunks: some ten seconds in all.
PAUSE = 0.5
LONGEST = 180.0


@dataclass
class Client:
    """What one was told."""

    events: int = 0
    end: str = ""
    late: float = 0.0
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self, session: aiohttp.ClientSession, url: str) -> None:
        name = ""
        async with session.get(url) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                if line.startswith(b"event: "):
                    name = line[7:].strip().decode()
                    self.events += 1
                    self.began.set()
                elif line.startswith(b"data: ") and name in ("completed", "failed", "cancelled"):
                    now, job = time.time(), json.loads(line[6:])
                    self.end = name
                    self.late = now - datetime.fromisoformat(job["finishedAt"]).timestamp()


async def measure(address: str, token: str, server: psutil.Process, path: Path) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:
        with uploading(address, token, path, chunk=CHUNK) as uploader:
            await asyncio.to_thread(uploader.upload, CHUNK)
            before = server.memory_info().rss
            file_key = uploader.url.rstrip("/").rpartition("/")[2]
            async with session.get(f"{address}/api/jobs", params={"fileKey": file_key}) as answer:
                job = (await answer.json())["items"][0]["jobId"]
            clients = [Client() for _ in range(CLIENTS)]
            started = time.perf_counter()
            async with asyncio.timeout(LONGEST), asyncio.TaskGroup() as watching:
                for one in clients:
                    watching.create_task(one.watch(session, f"{address}/api/jobs/{job}/stream"))
                await asyncio.gather(*(one.began.wait() for one in clients))
                connected = time.perf_counter() - started
                await asyncio.sleep(PAUSE)
                watched = server.memory_info().rss
                seen = []
                size = path.stat().st_size
                while uploader.offset < size:
                    await asyncio.to_thread(uploader.upload, min(uploader.offset + CHUNK, size))
                    seen.append((server.memory_info().rss, server.num_threads()))
                    await asyncio.sleep(PAUSE)
    assert [one.end for one in clients] == ["completed"] * CLIENTS, [one.end for one in clients]
    late = sorted(one.late for one in clients)
    return {
        "clients": CLIENTS,
        "saw the end": sum(bool(one.end) for one in clients),
        "all connected after s": connected,
        "before MiB": before / 2**20,
        "with all MiB": watched / 2**20,
        "most MiB": max(memory for memory, _ in seen) / 2**20,
        "most threads": max(threads for _, threads in seen),
        "events a client": statistics.mean(one.events for one in clients),
        "end p50 ms": 1000 * late[len(late) // 2],
        "end p95 ms": 1000 * late[int(len(late) * 0.95)],
        "end max ms": 1000 * late[-1],
    }


def warm_up(address: str, token: str, path: Path) -> None:
    upload(address, token, path)

    def completed() -> bool:
        headers = {"Authorization": f"Bearer {token}"}
        page = requests.get(f"{address}/api/jobs", {"status": "completed"}, headers=headers, timeout=20).json()
        return bool(page["items"])

    wait_until(completed, what="the first job")


@contextmanager
def one_process(folder: Path) -> Iterator[tuple[str, str, int]]:
    site = Site(folder, MAX_OPEN_STREAMS="0")
    try:
        token = site.prepare()
        yield site.serve(), token, site.processes[-1].pid
    finally:
        site.end()


@contextmanager
def services(folder: Path) -> Iterator[tuple[str, str, int]]:
    with ExitStack() as stack:
        postgres, redis = Postgres(folder), Redis(folder)
        stack.callback(redis.end)
        stack.callback(postgres.end)
        site = services_site(folder, postgres, redis, env={"MAX_OPEN_STREAMS": "0"})
        stack.callback(site.end)
        token = site.prepare()
        site.worker("--concurrency=1")
        address = site.web()
        yield address, token, site.processes[-1].pid


def main() -> None:
    modes: dict[str, Callable[[Path], Any]] = {"one process": one_process, "services": services}
    for name, start in modes.items():
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            os.environ["STATIC_ROOT"] = f"{folder}/static"
            path = write_sales(folder / "sales.csv", MEGABYTES * 1_000_000)
            with start(folder) as (address, token, pid):
                # What is loaded with the first file is not the clients'.
                warm_up(address, token, path)
                figures = asyncio.run(measure(address, token, psutil.Process(pid), path))
        print(f"\n{name}")
        for what, value in figures.items():
            print(f"  {what:22} {value:,.2f}" if isinstance(value, float) else f"  {what:22} {value:,}", flush=True)


if __name__ == "__main__":
    main()
