"""Imports whose workers are killed or sleep: no row is lost, none is there twice, and the report is exact."""

import csv
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.files import write_customers
from tests.reports.pipelines import reference
from tests.services import Postgres, Process, Redis, wait_until
from tests.services.site import Site, log_in, services_site
from tests.services.tus import upload, uploading

# On a machine that has other things to do.
pytestmark = [pytest.mark.timeout(240), pytest.mark.deep]
# Of the file; `FAULT_CUSTOMERS=1000000 pytest tests/faults/test_imports.py` for a large one.
ROWS = int(os.environ.get("FAULT_CUSTOMERS", "30000"))
KILLS = 10


@pytest.fixture
def site(tmp_path: Path, postgres: Postgres, redis: Redis) -> Iterator[Site]:
    """Windows small enough that ten kills fall into one import, and leases that run out soon."""
    small = {"IMPORT_WINDOW_BYTES": str(ROWS * 65 // 300), "LEASE_SECONDS": "1", "SWEEP_SECONDS": "0.5"}
    started = services_site(tmp_path, postgres, redis, env=small)
    yield started
    started.end()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_customers(tmp_path / "customers.csv", ROWS)


def progress(site: Site) -> int:
    return int(site.query("SELECT bytes_done FROM reports_job"))


def status(site: Site) -> str:
    return str(site.query("SELECT status FROM reports_job"))


def kill_who_is_at_work(site: Site, workers: list[Process], *, beyond: int, whole: bool) -> int:
    """Kill who has the job as soon as it has come further than `beyond`: the process that does the work, or the `whole`
    worker. Returns how far it came."""
    wait_until(lambda: progress(site) > beyond or status(site) == "completed", what="progress", timeout=60)
    held_by = site.query("SELECT worker FROM reports_attempt WHERE ended_at IS NULL")
    assert held_by, f"the job has ended before it was killed beyond {beyond}"
    worker = next(process for process in workers if held_by.endswith(f":{process.pid}"))
    if whole:
        workers.remove(worker)
        worker.signal_group(signal.SIGKILL)
    else:
        (child,) = psutil.Process(worker.pid).children()
        child.kill()
    # At once: until Celery has buried its child, another one may have come far.
    return progress(site)


def check_exact(site: Site, path: Path, address: str) -> None:
    """Counts, customers, and the report as it is downloaded, against plain Python."""
    expected = reference.import_customers(path.read_text(encoding="utf-8"))
    with psycopg.connect(site.env["DATABASE_URL"]) as connection:
        counts = connection.execute("SELECT rows, bad_rows, reasons FROM reports_job").fetchone()
        found = connection.execute(
            "SELECT row_number, name, email, phone, company FROM reports_customer ORDER BY row_number"
        ).fetchall()
    assert counts == (expected.rows, len(expected.report) - 1, dict(expected.reasons))
    assert found == expected.customers
    job = site.query("SELECT id FROM reports_job")
    report = log_in(address).get(f"{address}/jobs/{job}/rejected.csv", timeout=60)
    report.encoding = "utf-8"
    assert list(csv.reader(report.text.splitlines(keepends=True))) == expected.report


def test_an_import_whose_workers_are_killed_ten_times_is_exact(site: Site, path: Path) -> None:
    token, address = site.prepare(), site.web()
    upload(address, token, path, kind="customers")
    workers = site.workers(3, "--concurrency=1")
    killed_at = [0]
    for number in range(KILLS):
        # Within the first half of this kill's share of what is left: work goes on while the test looks.
        further = random.randrange((path.stat().st_size - killed_at[-1]) // (2 * (KILLS - number) + 2))
        whole = number in (KILLS // 2, KILLS - 1)
        killed_at.append(kill_who_is_at_work(site, workers, beyond=killed_at[-1] + further, whole=whole))
    assert killed_at == sorted(set(killed_at))
    assert killed_at[-1] < path.stat().st_size
    wait_until(lambda: status(site) == "completed", what="the end", timeout=60)
    assert site.query("SELECT count(*) FROM reports_attempt WHERE outcome = 'lost'") >= KILLS
    check_exact(site, path, address)


def test_an_import_whose_workers_are_killed_while_the_upload_goes_on_is_exact(site: Site, path: Path) -> None:
    token, address = site.prepare(), site.web()
    size = path.stat().st_size
    with uploading(address, token, path, kind="customers", chunk=size // 20) as uploader:
        uploader.upload(stop_at=size // 2)
        workers = site.workers(2, "--concurrency=1")
        first = kill_who_is_at_work(site, workers, beyond=0, whole=True)
        assert site.query("SELECT state FROM uploads_upload") == "receiving"
        # The other one takes it over, comes to the end of what is there, and lets go of it.
        idle = "SELECT lease_until IS NULL FROM reports_job"
        wait_until(lambda: site.query(idle) and progress(site) > first, what="the end of what has come", timeout=60)
        before = progress(site)
        assert first < before <= size // 2 + size // 20
        uploader.upload(stop_at=size * 9 // 10)
        kill_who_is_at_work(site, workers, beyond=before, whole=False)
        uploader.upload()
    wait_until(lambda: status(site) == "completed", what="the end", timeout=60)
    assert site.query("SELECT count(*) FROM reports_attempt WHERE outcome = 'lost'") >= 2
    check_exact(site, path, address)


def test_a_worker_that_sleeps_in_the_middle_of_a_commit_writes_nothing_when_it_wakes_up(
    tmp_path: Path, postgres: Postgres, redis: Redis, path: Path
) -> None:
    """Another one has taken the import over meanwhile, and comes to the same rows."""
    env = {"IMPORT_WINDOW_BYTES": str(ROWS * 65 // 6), "LEASE_SECONDS": "2", "SWEEP_SECONDS": "0.5"}
    site = services_site(tmp_path, postgres, redis, env=env)
    try:
        token, address = site.prepare(), site.web()
        sleeper = site.worker("--concurrency=1")
        with psycopg.connect(site.env["DATABASE_URL"], autocommit=True) as connection:
            upload(address, token, path, kind="customers")
            fall_asleep(sleeper, connection)
            before = progress(site)
            other = site.worker("--concurrency=1")
            wait_until(lambda: site.query("SELECT count(*) = 2 FROM reports_attempt"), what="the other", timeout=60)
            waiting = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            wait_until(lambda: site.query(waiting), what="the other to come to the same rows", timeout=60)
            assert progress(site) == before
        sleeper.signal_group(signal.SIGCONT)
        wait_until(lambda: status(site) == "completed", what="the end", timeout=60)
        outcomes = site.query("SELECT json_agg(outcome ORDER BY started_at) FROM reports_attempt")
        assert outcomes == ["lost", "completed"]
        assert "claim lost" in sleeper.output
        assert other.returncode is sleeper.returncode is None
        check_exact(site, path, address)
    finally:
        site.end()


def fall_asleep(worker: Process, connection: psycopg.Connection[Any]) -> None:
    """Stop the worker while it writes customers, before their window is committed."""
    writing = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' "
        "AND (query LIKE 'COPY%' OR query LIKE 'INSERT INTO reports_customer%') AND pid <> pg_backend_pid()"
    )
    settled = (
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
        "AND wait_event IS NULL AND pid <> pg_backend_pid()"
    )
    for _attempt in range(50):
        wait_until(lambda: connection.execute(writing).fetchone(), what="a commit", timeout=60)
        worker.signal_group(signal.SIGSTOP)
        # What was on its way to the database may still end the transaction.
        wait_until(lambda: connection.execute(settled).fetchone() == (True,), what="the database to come to rest")
        if connection.execute(writing).fetchone():
            return
        worker.signal_group(signal.SIGCONT)
    raise AssertionError("it never fell asleep in the middle of a commit")
