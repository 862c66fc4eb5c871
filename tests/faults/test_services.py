"""Services mode: several web and worker processes that know each other only by PostgreSQL, Redis and S3."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.files import totals_by_csv, write_sales
from tests.services import S3, Postgres, Redis
from tests.services.site import Site, log_in, services_site
from tests.services.tus import uploading

pytestmark = pytest.mark.deep


@pytest.fixture
def site(tmp_path: Path, postgres: Postgres, redis: Redis, s3: S3) -> Iterator[Site]:
    started = services_site(tmp_path, postgres, redis, s3, env={"WINDOW_BYTES": str(1 << 20)})
    yield started
    started.end()


def test_a_job_begun_through_one_web_process_is_seen_live_on_another(site: Site, s3: S3, tmp_path: Path) -> None:
    path = write_sales(tmp_path / "sales.csv", 10_000_000)
    token = site.prepare()
    first, second = site.web(), site.web()
    for _ in range(2):
        site.worker("--concurrency=1")
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in log_in(second).cookies)
    address = second.replace("http", "ws")
    with connect(f"{address}/ws/jobs/", additional_headers={"Cookie": cookies}, origin=Origin(second)) as socket:
        assert json.loads(socket.recv(timeout=20)) == {"type": "snapshot", "jobs": []}
        seen: list[dict[str, Any]] = []
        with uploading(first, token, path, chunk=2 << 20) as uploader:
            uploader.upload(stop_at=6 << 20)
            while not seen or not seen[-1]["bytes_done"]:
                seen += json.loads(socket.recv(timeout=60))["jobs"]
            assert seen[-1]["upload"]["state"] == "receiving"
            uploader.upload()
        while seen[-1]["status"] != "completed":
            seen += json.loads(socket.recv(timeout=60))["jobs"]
    totals, rows, bad_rows = totals_by_csv(path)
    assert [job["version"] for job in seen] == sorted({job["version"] for job in seen})
    assert (seen[-1]["rows"], seen[-1]["bad_rows"], seen[-1]["departments"]) == (rows, bad_rows, len(totals))
    result = log_in(first).get(f"{first}{seen[-1]['url']}result.csv", timeout=20)
    expected = "".join(f"{name},{total}\n" for name, total in totals.items())
    assert result.text == f"Department Name,Total Number of Sales\n{expected}"
    assert len([name for name in s3.object_names() if name.startswith(f"uploads/{seen[-1]['upload']['id']}/")]) == 5


def test_it_says_whether_it_is_ready(site: Site) -> None:
    site.manage("migrate", "--verbosity=0")
    answer = requests.get(f"{site.web()}/readyz", timeout=20)
    services = ("database", "migrations", "broker", "storage", "channels")
    assert (answer.status_code, answer.json()) == (200, dict.fromkeys(services, "ok"))
