"""One large file on many workers, some of which die or sleep."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.test_kill import is_exact, progress, report_is_exact
from tests.files import write_sales
from tests.services import Postgres, Process, Redis, wait_until
from tests.services.site import Site, services_site
from tests.services.tus import upload

pytestmark = pytest.mark.deep

SIZE = 40_000_000


@pytest.fixture
def site(tmp_path: Path, postgres: Postgres, redis: Redis) -> Iterator[Site]:
    small = {"WINDOW_BYTES": str(SIZE // 200), "LEASE_SECONDS": "2", "SWEEP_SECONDS": "0.5", "FOLD_THREADS": "1"}
    started = services_site(tmp_path, postgres, redis, env={**small, "APP_LOG_LEVEL": "DEBUG"})
    yield started
    started.end()


def has_helped(worker: Process) -> bool:
    return "folded ahead" in worker.output


def holder(site: Site) -> str:
    """The worker that has the job, by its process."""
    return str(site.query("SELECT worker FROM reports_attempt WHERE ended_at IS NULL")).rpartition(":")[2]


def test_a_file_that_many_fold_is_exact_although_its_holder_dies_and_a_helper_sleeps(
    site: Site, tmp_path: Path
) -> None:
    path = write_sales(tmp_path / "sales.csv", SIZE)
    token = site.prepare()
    address = site.web()
    workers = {str(worker.pid): worker for worker in site.workers(4, "--concurrency=1")}
    upload(address, token, path, chunk=16 << 20)
    wait_until(lambda: progress(site) > SIZE // 10, what="progress", timeout=60)
    workers.pop(holder(site)).signal_group(signal.SIGKILL)
    there = progress(site)
    wait_until(lambda: progress(site) > there, what="another to go on", timeout=60)
    helper = next(worker for pid, worker in workers.items() if pid != holder(site) and has_helped(worker))
    helper.signal_group(signal.SIGSTOP)
    wait_until(lambda: site.query("SELECT status FROM reports_job") == "completed", what="the result", timeout=100)
    helper.signal_group(signal.SIGCONT)
    assert is_exact(site, path)
    assert report_is_exact(site, path)
    assert site.query("SELECT count(*) FROM reports_split") == 0
