"""Hints that are lost, or come many times; sweepers that look at once; people who cancel at the last moment."""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from celery import Celery

from tests.faults.sales import ROUNDS, Crew, Sales
from tests.services import Postgres, Redis, wait_until
from tests.services.site import services_site

pytestmark = [pytest.mark.timeout(240), pytest.mark.deep]
# Of the work that a sweeper finds when there are several at once.
JOBS = 20


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    server = Redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.end()


@pytest.fixture(scope="module")
def deaf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A broker from which no worker takes messages."""
    server = Redis(tmp_path_factory.mktemp("deaf"))
    yield server
    server.end()


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, redis: Redis, deaf: Redis) -> Iterator[Crew]:
    """Its web process sends its hints to where nobody hears them. Workers sweep as often as they do in earnest."""
    env = {"WEBHOOKS_TO_PRIVATE_ADDRESSES": "true", "API_REQUESTS_PER_MINUTE": "0", "WINDOW_BYTES": "262144"}
    env["API_REQUESTS_PER_MINUTE_PER_ADDRESS"] = "0"
    site = services_site(tmp_path_factory.mktemp("site"), postgres, redis, env=env)
    crew = Crew(site, site.prepare(), site.web(REDIS_URL=deaf.url))
    # Who is told of every end must be told once.
    assert crew.post("webhooks", json={"url": "http://127.0.0.1:9/"}).status_code == 201
    yield crew
    site.end()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Sales:
    return Sales.write(tmp_path_factory.mktemp("files") / "sales.csv", 100_000)


def send_whole(crew: Crew, sales: Sales) -> str:
    """In one request."""
    with sales.path.open("rb") as file:
        answer = crew.post("jobs/upload", files={"file": ("sales.csv", file, "text/csv")})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["jobId"])


def check_told_once(crew: Crew, job: str, *, times: int = 1) -> None:
    told = f"SELECT count(*) FROM reports_delivery WHERE job_id = '{job}'"  # noqa: S608
    assert crew.site.query(told) == times


def test_work_whose_hint_is_lost_is_begun_within_ten_seconds(crew: Crew, small: Sales) -> None:
    crew.fill(2, "--concurrency=2")
    for _ in range(2):
        job = send_whole(crew, small)
        began = time.monotonic()
        wait_until(lambda made=job: crew.outcomes(made), what="an attempt")  # type: ignore[misc]
        assert time.monotonic() - began < 10
        crew.check_exact(job, small)


def test_the_same_hint_sixteen_times_is_one_claim(crew: Crew, redis: Redis, small: Sales) -> None:
    crew.fill(2, "--concurrency=2")
    with Celery(broker=redis.url) as app:
        for _ in range(max(ROUNDS // 4, 2)):
            job = send_whole(crew, small)
            for _ in range(16):
                app.send_task("reports.tasks.claim_next")
            crew.check_exact(job, small)
            assert crew.outcomes(job) == ["completed"]
            check_told_once(crew, job)


def test_who_cancels_as_the_job_ends_finds_one_end(crew: Crew, redis: Redis, small: Sales) -> None:
    crew.fill(2, "--concurrency=2")
    ends: Counter[str] = Counter()
    # How long a job takes here, so that cancelling falls around its end.
    with Celery(broker=redis.url) as app:
        began = time.monotonic()
        job = send_whole(crew, small)
        app.send_task("reports.tasks.claim_next")
        crew.wait_for_end(job)
        taken = time.monotonic() - began
        for _ in range(ROUNDS):
            job = send_whole(crew, small)
            app.send_task("reports.tasks.claim_next")
            # A moment that no event marks is the point.
            threading.Event().wait(random.uniform(0, taken))
            answer = crew.post(f"jobs/{job}/cancel")
            end = crew.wait_for_end(job)
            ends[end] += 1
            assert (end, answer.status_code) in {("completed", 409), ("cancelled", 200), ("cancelled", 202)}, (
                answer.text
            )
            check_ended_once(crew, job, end)
            if end == "completed":
                crew.check_exact(job, small)
    assert sum(ends.values()) == ROUNDS


def check_ended_once(crew: Crew, job: str, end: str) -> None:
    row = crew.value(job, "row_to_json(reports_job)")
    assert (row["status"], row["token"], row["lease_until"]) == (end, None, None)
    assert set(crew.outcomes(job)) <= {end}
    check_told_once(crew, job, times=end == "completed")
    results = [path.name for path in (crew.site.folder / "data" / "files" / "jobs" / job).glob("result*")]
    assert len(results) == (end == "completed")


def test_sweepers_that_look_at_once_do_everything_once(crew: Crew, redis: Redis, small: Sales) -> None:
    """Without a broker they work themselves; and each of them finds the same jobs that nobody will end otherwise."""
    for worker in crew.workers:
        worker.end()
    often = {"SWEEP_SECONDS": "0.1", "MAX_ATTEMPTS": "1"}
    crew.workers = crew.site.workers(3, "--concurrency=1", **often)
    for worker in crew.workers:
        worker.signal_group(signal.SIGSTOP)
    redis.end()
    with ThreadPoolExecutor(4) as pool:
        jobs = list(pool.map(lambda _: send_whole(crew, small), range(2 * JOBS)))
    dead, alive = jobs[:JOBS], jobs[JOBS:]
    with psycopg.connect(crew.site.env["DATABASE_URL"]) as connection:
        # As if a worker had died with each of them.
        connection.execute(
            "UPDATE reports_job SET status = 'processing', attempt = 1, token = gen_random_uuid(), "
            "lease_until = now() - interval '1 second' WHERE id = ANY(%s::uuid[])",
            [dead],
        )
        connection.execute(
            'INSERT INTO reports_attempt (job_id, worker, started_at, outcome, start, "end", windows, error) '
            "SELECT unnest(%s::uuid[]), 'dead', now(), '', 0, 0, 0, ''",
            [dead],
        )
    for worker in crew.workers:
        worker.signal_group(signal.SIGCONT)
    for job in dead:
        assert crew.wait_for_end(job) == "failed"
        assert crew.value(job, "error_code") == "worker_lost"
        assert crew.outcomes(job) == ["lost"]
        check_told_once(crew, job)
    for job in alive:
        crew.check_exact(job, small)
        assert crew.outcomes(job) == ["completed"]
        check_told_once(crew, job)
    workers = crew.site.query("SELECT count(DISTINCT worker) FROM reports_attempt WHERE worker <> 'dead'")
    assert workers >= 2
    redis.start()
