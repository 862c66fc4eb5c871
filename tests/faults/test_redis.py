"""Redis goes away, comes back empty, drops connections, hangs, or is full: jobs run once, and pages catch up."""

import signal
import threading
from collections.abc import Callable, Iterator

import pytest
import requests
from redis import Redis as Client

from tests.faults.sales import Crew, Sales, answers_timed, crew_at
from tests.services import Postgres, Redis, wait_until
from tests.services.site import EMAIL, log_in
from tests.services.tus import uploading
from tests.services.watching import Page

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    server = Redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.process.signal_group(signal.SIGCONT)
    server.end()


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, redis: Redis) -> Iterator[Crew]:
    folder = tmp_path_factory.mktemp("site")
    with crew_at(folder, postgres, redis, workers=2, LEASE_SECONDS="4", SWEEP_SECONDS="1") as crew:
        yield crew


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Sales:
    return Sales.write(tmp_path_factory.mktemp("files") / "sales.csv", 4_000_000)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Sales:
    return Sales.write(tmp_path_factory.mktemp("files") / "small.csv", 500_000)


def restarted(redis: Redis) -> None:
    redis.process.signal_group(signal.SIGKILL)
    redis.process.wait(timeout=10)
    redis.start()


def down_for_a_while(redis: Redis) -> None:
    redis.process.signal_group(signal.SIGKILL)
    redis.process.wait(timeout=10)
    threading.Event().wait(3)
    redis.start()


def flushed(redis: Redis) -> None:
    with Client.from_url(redis.url) as client:
        client.flushall()


def connections_cut(redis: Redis) -> None:
    """Of the broker, of the channel layer, of the cache."""
    with Client.from_url(redis.url) as client:
        client.client_kill_filter(_type="normal", skipme=True)
        client.client_kill_filter(_type="pubsub")


def hanging_for_a_while(redis: Redis) -> None:
    redis.process.signal_group(signal.SIGSTOP)
    threading.Event().wait(3)
    redis.process.signal_group(signal.SIGCONT)


@pytest.mark.deep
@pytest.mark.parametrize("fault", [restarted, down_for_a_while, flushed, connections_cut, hanging_for_a_while])
def test_a_job_runs_once_and_the_page_catches_up(
    fault: Callable[[Redis], None], crew: Crew, redis: Redis, sales: Sales, small: Sales
) -> None:
    with Page(crew.address, log_in(crew.address)) as page:
        wait_until(lambda: page.connections, what="the page")
        job = crew.send(sales)
        crew.wait_for_progress(job)
        fault(redis)
        crew.check_exact(job, sales)
        page.wait_for(job, "completed", timeout=10)
        assert crew.outcomes(job) == ["completed"]
        # And so does what comes after.
        later = crew.send(small)
        crew.check_exact(later, small)
        page.wait_for(later, "completed", timeout=10)
        assert crew.outcomes(later) == ["completed"]
        assert page.connections == 1


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["down", "hanging"])
def test_without_redis_uploads_are_answered_people_log_in_and_jobs_are_done(
    fault: signal.Signals, crew: Crew, redis: Redis, small: Sales, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis.process.signal_group(fault)
    if fault is signal.SIGKILL:
        redis.process.wait(timeout=10)
    try:
        with answers_timed(monkeypatch) as taken:
            with uploading(crew.address, crew.token, small.path, chunk=200_000) as uploader:
                uploader.upload()
                job = crew.job_of(uploader)
            session = log_in(crew.address)
            assert session.get(f"{crew.address}/jobs/{job}/", timeout=20).status_code == 200
        assert max(taken) < 6
        crew.check_exact(job, small)
        assert crew.outcomes(job) == ["completed"]
        page = Page(crew.address, session)
    finally:
        if fault is signal.SIGKILL:
            redis.start()
        else:
            redis.process.signal_group(signal.SIGCONT)
    # One that was opened meanwhile.
    with page:
        page.wait_for(job, "completed", timeout=10)


@pytest.mark.deep
def test_a_redis_that_is_full_stops_nobody(crew: Crew, redis: Redis, small: Sales) -> None:
    with Client.from_url(redis.url) as client:
        # Messages are in the queue when it becomes full: a worker takes one, and cannot note that it has.
        for worker in crew.workers:
            worker.signal_group(signal.SIGSTOP)
        waiting = crew.send(small)
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        for worker in crew.workers:
            worker.signal_group(signal.SIGCONT)
        try:
            crew.check_exact(waiting, small)
            job = crew.send(small, chunk=200_000)
            crew.check_exact(job, small)
            assert crew.outcomes(job) == ["completed"]
            with Page(crew.address, log_in(crew.address)) as page:
                page.wait_for(job, "completed", timeout=10)
                later = crew.send(small)
                page.wait_for(later, "completed", timeout=20)
                crew.check_exact(later, small)
        finally:
            client.config_set("maxmemory", 0)
    assert all(worker.returncode is None for worker in crew.workers)


@pytest.mark.deep
def test_wrong_passwords_are_counted_without_redis(crew: Crew, redis: Redis) -> None:
    address = crew.site.web()
    redis.end()
    try:
        with requests.Session() as session:
            session.get(f"{address}/accounts/login/", timeout=20)
            form = {"login": EMAIL, "password": "guessed", "csrfmiddlewaretoken": session.cookies["csrftoken"]}
            told = [session.post(f"{address}/accounts/login/", data=form, timeout=20).text for _ in range(12)]
        assert "Too many failed" in told[-1]
        assert "Too many failed" not in told[0]
    finally:
        redis.start()
