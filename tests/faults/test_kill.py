"""Workers that are killed: somebody else goes on, and not a row is lost or counted twice."""

import csv
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.files import rejected_by_csv, totals_by_csv, write_sales
from tests.services import Postgres, Process, Redis, wait_until
from tests.services.site import Site, log_in, services_site
from tests.services.tus import upload

pytestmark = pytest.mark.deep

# The size of the file; `FAULT_MEGABYTES=500 pytest tests/faults` for the large one.
SIZE = int(os.environ.get("FAULT_MEGABYTES", "40")) * 1_000_000


@pytest.fixture
def site(tmp_path: Path, postgres: Postgres, redis: Redis) -> Iterator[Site]:
    """Windows small enough that a kill falls in the middle of a job, and leases that run out soon."""
    small = {"WINDOW_BYTES": str(max(SIZE // 100, 65536)), "LEASE_SECONDS": "2", "SWEEP_SECONDS": "0.5"}
    started = services_site(tmp_path, postgres, redis, env=small)
    yield started
    started.end()


def progress(site: Site) -> int:
    return int(site.query("SELECT bytes_done FROM reports_job"))


def is_exact(site: Site, path: Path) -> bool:
    totals, rows, bad_rows = totals_by_csv(path)
    names = site.query("SELECT json_object_agg(name, total::numeric) FROM reports_departmenttotal")
    return bool(
        names == totals
        and site.query("SELECT rows FROM reports_job") == rows
        and site.query("SELECT bad_rows FROM reports_job") == bad_rows
    )


def report_is_exact(site: Site, path: Path) -> bool:
    """The rejected rows, as they are downloaded."""
    address = site.web()
    job = site.query("SELECT id FROM reports_job")
    report = log_in(address).get(f"{address}/jobs/{job}/rejected.csv", timeout=60)
    return list(csv.reader(report.text.splitlines())) == list(rejected_by_csv(path))


def test_a_job_whose_workers_are_killed_again_and_again_is_finished_by_another(site: Site, tmp_path: Path) -> None:
    path = write_sales(tmp_path / "sales.csv", SIZE)
    token = site.prepare()
    upload(site.web(), token, path)
    killed_at: list[int] = []
    for _ in range(3):
        before = progress(site)
        worker = site.worker("--concurrency=1")
        wait_until(lambda reached=before: progress(site) > reached, what="progress", timeout=60)  # type: ignore[misc]
        worker.signal_group(signal.SIGKILL)
        worker.wait(timeout=10)
        killed_at.append(progress(site))
    assert killed_at == sorted(set(killed_at))
    assert 0 < killed_at[0] < killed_at[-1] < path.stat().st_size
    assert site.query("SELECT status FROM reports_job") == "processing"
    site.worker("--concurrency=1")
    wait_until(lambda: site.query("SELECT status FROM reports_job") == "completed", what="the result", timeout=100)
    assert is_exact(site, path)
    assert report_is_exact(site, path)


def test_a_worker_that_is_asked_to_stop_lets_go_of_its_job_at_once(site: Site, tmp_path: Path) -> None:
    path = write_sales(tmp_path / "sales.csv", SIZE)
    token = site.prepare()
    upload(site.web(), token, path)
    worker: Process = site.worker("--concurrency=1")
    wait_until(lambda: progress(site) > 0, what="progress")
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.wait(timeout=30) == 0
    assert site.query("SELECT lease_until IS NULL AND token IS NULL FROM reports_job")
    site.worker("--concurrency=1")
    wait_until(lambda: site.query("SELECT status FROM reports_job") == "completed", what="the result", timeout=100)
    assert is_exact(site, path)
    assert report_is_exact(site, path)
