"""What operators are told of workers: real ones with pools of processes, that stop and that are killed."""

import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.files import write_sales
from tests.services import Postgres, Process, Redis, wait_until
from tests.services.site import Site, services_site
from tests.services.tus import upload

pytestmark = pytest.mark.deep


@pytest.fixture
def site(tmp_path: Path, postgres: Postgres, redis: Redis) -> Iterator[Site]:
    started = services_site(tmp_path, postgres, redis, env={"SWEEP_SECONDS": "0.5"})
    yield started
    started.end()


def known(site: Site) -> set[str]:
    return set(site.query("SELECT coalesce(json_agg(name), '[]') FROM reports_worker"))


def name_of(worker: Process) -> str:
    return f"{socket.gethostname()}:{worker.pid}"


def test_a_worker_is_known_by_its_main_process_also_for_what_its_pool_does(site: Site, tmp_path: Path) -> None:
    token = site.prepare()
    worker = site.worker("--concurrency=2")
    wait_until(lambda: known(site) == {name_of(worker)}, what="the worker's sign of life")
    upload(site.web(), token, write_sales(tmp_path / "sales.csv", 1_000_000))
    wait_until(lambda: site.query("SELECT status FROM reports_job") == "completed", what="the result", timeout=60)
    assert site.query("SELECT worker FROM reports_attempt") == name_of(worker)


def test_a_worker_that_stops_is_forgotten_and_one_that_is_killed_is_not(site: Site) -> None:
    site.prepare()
    stopped, killed = site.worker("--concurrency=1"), site.worker("--concurrency=1")
    wait_until(lambda: known(site) == {name_of(stopped), name_of(killed)}, what="both workers' signs of life")
    os.kill(stopped.pid, signal.SIGTERM)
    killed.signal_group(signal.SIGKILL)
    assert stopped.wait(timeout=30) == 0
    killed.wait(timeout=10)
    assert known(site) == {name_of(killed)}


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Site]:
    """A site in one process."""
    started = Site(tmp_path, SWEEP_SECONDS="0.5", LEASE_SECONDS="2", WINDOW_BYTES="100000")
    yield started
    started.end()


def value(site: Site, sql: str) -> Any:
    with sqlite3.connect(f"file:{site.folder}/data/db.sqlite3?mode=ro", uri=True) as connection:
        row = connection.execute(sql).fetchone()
    connection.close()
    return row and row[0]


def test_everything_in_one_process_is_one_worker_that_is_forgotten_when_it_stops(alone: Site) -> None:
    alone.prepare()
    alone.serve()
    process = alone.processes[-1]
    wait_until(lambda: value(alone, "SELECT name FROM reports_worker") == name_of(process), what="the sign of life")
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    assert value(alone, "SELECT count(*) FROM reports_worker") == 0


def test_a_job_whose_one_process_was_killed_goes_on_by_itself_after_the_next_start(alone: Site, tmp_path: Path) -> None:
    token = alone.prepare()
    address = alone.serve()
    upload(address, token, write_sales(tmp_path / "sales.csv", 30_000_000))
    wait_until(lambda: value(alone, "SELECT bytes_done FROM reports_job"), what="progress")
    alone.processes[-1].signal_group(signal.SIGKILL)
    alone.processes[-1].wait(timeout=10)
    assert value(alone, "SELECT status FROM reports_job") == "processing"
    alone.serve()
    wait_until(lambda: value(alone, "SELECT status FROM reports_job") == "completed", what="the result", timeout=60)
    assert value(alone, "SELECT group_concat(outcome, ' ') FROM reports_attempt") == "lost completed"
