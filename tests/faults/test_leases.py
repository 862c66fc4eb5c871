"""Workers that die, sleep and have wrong clocks: another one takes over in time, and what wakes up writes nothing."""

import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest

from tests.faults.sales import Crew, Sales, crew_at
from tests.services import Postgres, Process, Redis, wait_until

pytestmark = pytest.mark.timeout(180)
LEASE = 2.0
# A worker's wall clock, off by what its environment says. Its monotonic clock is right, as a wrong one's is.
WRONG_CLOCK = """
import datetime, os, time

OFF = float(os.environ["CLOCK_OFF"])
_datetime, _time, _time_ns = datetime.datetime, time.time, time.time_ns


class _Like(type):
    def __instancecheck__(cls, value):
        return isinstance(value, _datetime)

    def __subclasscheck__(cls, other):
        return issubclass(other, _datetime)


class Off(_datetime, metaclass=_Like):
    @classmethod
    def now(cls, tz=None):
        return _datetime.now(tz) + datetime.timedelta(seconds=OFF)

    @classmethod
    def utcnow(cls):
        return _datetime.utcnow() + datetime.timedelta(seconds=OFF)

    def __new__(cls, *args, **kwargs):
        return _datetime(*args, **kwargs)


Off.__name__ = "datetime"
datetime.datetime = Off
time.time = lambda: _time() + OFF
time.time_ns = lambda: _time_ns() + int(OFF * 1e9)
"""


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Sales:
    return Sales.write(tmp_path_factory.mktemp("files") / "sales.csv", 9_000_000)


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, redis: Redis) -> Iterator[Crew]:
    """With leases that run out soon."""
    folder = tmp_path_factory.mktemp("site")
    with crew_at(folder, postgres, redis, LEASE_SECONDS=str(LEASE), SWEEP_SECONDS="0.5") as crew:
        yield crew


def test_a_killed_worker_is_replaced_within_its_lease_and_five_seconds(crew: Crew, sales: Sales) -> None:
    crew.fill(2)
    job = crew.send(sales)
    crew.wait_for_progress(job)
    doomed = crew.holder(job)
    doomed.signal_group(signal.SIGKILL)
    began = time.monotonic()
    wait_until(lambda: len(crew.outcomes(job)) == 2, what="another worker")
    assert time.monotonic() - began < LEASE + 5
    crew.check_exact(job, sales)
    assert crew.outcomes(job) == ["lost", "completed"]


@pytest.mark.deep
def test_a_worker_that_sleeps_beyond_its_lease_writes_nothing_when_it_wakes_up(crew: Crew, sales: Sales) -> None:
    crew.fill(2)
    job = crew.send(sales)
    crew.wait_for_progress(job)
    sleeper = crew.holder(job)
    sleeper.signal_group(signal.SIGSTOP)
    crew.check_exact(job, sales)
    # All of the row, its version too: any write would show.
    row = crew.value(job, "row_to_json(reports_job)")
    files = crew.site.query(f"SELECT json_agg(storage_name) FROM reports_rejectedrows WHERE job_id = '{job}'")  # noqa: S608
    sleeper.signal_group(signal.SIGCONT)
    sleeper.wait_for_output(f"job {job}: claim lost")
    assert crew.value(job, "row_to_json(reports_job)") == row
    assert crew.outcomes(job) == ["lost", "completed"]
    crew.check_exact(job, sales)
    folder = crew.site.folder / "data" / "files"
    stored = {path.name for path in (folder / "jobs" / job).glob("rejected-*")}
    assert stored == {Path(name).name for name in files}
    # It works on.
    next(worker for worker in crew.workers if worker is not sleeper).signal_group(signal.SIGKILL)
    crew.check_exact(crew.send(sales), sales)


@pytest.mark.deep
def test_a_job_that_kills_its_workers_is_given_up_and_the_queue_moves_on(
    crew: Crew, sales: Sales, tmp_path: Path
) -> None:
    crew.fill(1)
    small = Sales.write(tmp_path / "small.csv", 100_000)
    # A storage that hangs: the file of a part is a pipe that nobody writes into.
    with_pipe = hanging(crew, sales)
    others = []
    for count in range(1, 4):
        wait_until(lambda reached=count: crew.value(with_pipe, "attempt") == reached, what="a claim")  # type: ignore[misc]
        (child,) = psutil.Process(crew.holder(with_pipe).pid).children()
        # Longer than its lease: it is alive, and renews it.
        held_at = crew.value(with_pipe, "lease_until")
        wait_until(lambda before=held_at: crew.value(with_pipe, "lease_until") > before, what="a renewal")  # type: ignore[misc]
        others.append(crew.send(small))
        child.kill()
        crew.check_exact(others[-1], small)
    assert crew.wait_for_end(with_pipe) == "failed"
    assert crew.value(with_pipe, "error_code") == "worker_lost"
    assert crew.outcomes(with_pipe) == ["lost"] * 3
    mend(crew, with_pipe)
    assert crew.post(f"jobs/{with_pipe}/retry").status_code == 200
    crew.check_exact(with_pipe, sales)


def parts_folder(crew: Crew, job: str) -> Path:
    return crew.site.folder / "data" / "files" / "uploads" / str(crew.value(job, "upload_id"))


def hanging(crew: Crew, sales: Sales) -> str:
    """A job whose second part cannot be read, nor fails."""
    [worker] = crew.workers
    worker.signal_group(signal.SIGSTOP)
    job = crew.send(sales)
    part = sorted(parts_folder(crew, job).iterdir())[1]
    part.rename(part.with_name(f"{part.name}.kept"))
    os.mkfifo(part)
    worker.signal_group(signal.SIGCONT)
    wait_until(lambda: crew.value(job, "bytes_done") > (8 << 20) - (1 << 17), what="the pipe", timeout=60)
    return job


def mend(crew: Crew, job: str) -> None:
    [kept] = parts_folder(crew, job).glob("*.kept")
    kept.rename(kept.with_suffix(""))


def clock_of(worker: Process) -> datetime:
    """By its latest line of the log."""
    return datetime.fromisoformat(re.findall(r"^(20\d\d-\d\d-\d\d [\d:]+),", worker.output, re.MULTILINE)[-1])


@pytest.mark.deep
def test_clocks_an_hour_off_change_nothing(crew: Crew, sales: Sales, tmp_path: Path) -> None:
    """One worker's is slow, the other's fast: neither takes the other's work, and both know a dead one's."""
    for worker in crew.workers:
        worker.end()
    (tmp_path / "sitecustomize.py").write_text(WRONG_CLOCK)
    off = [{"PYTHONPATH": str(tmp_path), "CLOCK_OFF": str(seconds)} for seconds in (-3600, 3600)]
    crew.workers = [crew.site.worker("--concurrency=1", **env) for env in off]
    slow, fast = (clock_of(worker) for worker in crew.workers)
    assert fast - slow > timedelta(minutes=100)
    jobs = [crew.send(sales) for _ in range(2)]
    for job in jobs:
        crew.check_exact(job, sales)
        assert crew.outcomes(job) == ["completed"]
    job = crew.send(sales)
    crew.wait_for_progress(job)
    crew.holder(job).signal_group(signal.SIGKILL)
    began = time.monotonic()
    wait_until(lambda: len(crew.outcomes(job)) == 2, what="the other")
    assert LEASE / 2 < time.monotonic() - began < LEASE + 5
    crew.check_exact(job, sales)
    assert crew.outcomes(job) == ["lost", "completed"]
