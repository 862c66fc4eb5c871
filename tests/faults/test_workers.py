"""What operators are told of workers: real ones with pools of processes, that stop and that are killed."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.files import write_sales
from tests.services import Postgres, Process, Redis, wait_until
from tests.services.site import Site, services_site
from tests.services.tus import upload


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
