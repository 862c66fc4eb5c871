"""Many programs that watch one job by server-sent events, on a real server."""

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.files import totals_by_csv, write_sales
from tests.services import wait_until
from tests.services.site import Site
from tests.services.tus import uploading

CLIENTS = 50
# Far below one for each client, above what a server starts for work of its own.
FEW_THREADS = 25


class Stream(threading.Thread):
    """One client: notes what it is told, until the server ends the stream."""

    def __init__(self, address: str, token: str, job: str) -> None:
        super().__init__(daemon=True)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._answer = requests.get(
            f"{address}/api/jobs/{job}/stream",
            headers={"Authorization": f"Bearer {token}"},
            stream=True,
            timeout=60,
        )
        self._answer.raise_for_status()
        self.start()

    def run(self) -> None:
        name = ""
        with self._answer, contextlib.suppress(requests.RequestException):
            for line in self._answer.iter_lines(chunk_size=1, decode_unicode=True):
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    self.events.append((name, json.loads(value)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_sales(tmp_path / "sales.csv", 5_000_000)


@pytest.fixture
def begun(address: str, token: str, path: Path) -> Iterator[Any]:
    """An upload of which a part has come, as tuspy has it."""
    with uploading(address, token, path, chunk=1 << 20) as uploader:
        uploader.upload(stop_at=2 << 20)
        yield uploader


def job_of(address: str, token: str, uploader: Any) -> str:
    file_key = uploader.url.rstrip("/").rpartition("/")[2]
    headers = {"Authorization": f"Bearer {token}"}
    page = requests.get(f"{address}/api/jobs", params={"fileKey": file_key}, headers=headers, timeout=20).json()
    return str(page["items"][0]["jobId"])


def test_all_see_the_end_and_none_holds_a_thread(site: Site, address: str, token: str, path: Path, begun: Any) -> None:
    server = psutil.Process(site.processes[-1].pid)
    before = server.num_threads()
    job = job_of(address, token, begun)
    clients = [Stream(address, token, job) for _ in range(CLIENTS)]
    wait_until(lambda: all(client.events for client in clients), what="all snapshots")
    wait_until(lambda: server.num_threads() < before + FEW_THREADS, what=f"few threads, {before} before")
    begun.upload()
    for client in clients:
        client.join(60)
    _, rows, bad_rows = totals_by_csv(path)
    for client in clients:
        names = [name for name, _ in client.events]
        assert (names[0], names[-1]) == ("snapshot", "completed")
        assert set(names[1:-1]) <= {"progress"}
        versions = [told["version"] for _, told in client.events]
        assert versions == sorted(set(versions))
        end = client.events[-1][1]
        assert (end["processedRows"], end["failedCount"]) == (rows, bad_rows)


def test_an_open_stream_does_not_hold_up_the_servers_end(tmp_path: Path, path: Path) -> None:
    site = Site(tmp_path)
    try:
        token = site.prepare()
        address = site.serve()
        with uploading(address, token, path, chunk=1 << 20) as uploader:
            uploader.upload(stop_at=2 << 20)
            client = Stream(address, token, job_of(address, token, uploader))
            wait_until(lambda: client.events, what="the snapshot")
        process = site.processes[-1]
        psutil.Process(process.pid).terminate()
        assert process.wait(timeout=8) == 0
        # Told nothing untrue: the stream broke, without an end.
        client.join(10)
        assert {name for name, _ in client.events} <= {"snapshot", "progress"}
    finally:
        site.end()
