"""PostgreSQL restarts, drops connections, or waits for a process that is frozen in the middle of a transaction."""

import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import requests

from tests.faults.sales import Crew, Sales, crew_at
from tests.faults.test_imports import fall_asleep
from tests.files import write_customers
from tests.services import Postgres, Redis, wait_until
from tests.services.site import log_in, services_site
from tests.services.tus import upload, uploading
from tests.services.watching import Page

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    yield server
    server.end()


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, redis: Redis) -> Iterator[Crew]:
    folder = tmp_path_factory.mktemp("site")
    with crew_at(folder, postgres, redis, workers=2, LEASE_SECONDS="2", SWEEP_SECONDS="0.5") as crew:
        yield crew


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Sales:
    return Sales.write(tmp_path_factory.mktemp("files") / "sales.csv", 8_000_000)


def test_a_restart_in_the_middle_of_jobs_and_an_upload_loses_nothing(
    crew: Crew, postgres: Postgres, sales: Sales
) -> None:
    with Page(crew.address, log_in(crew.address)) as page:
        job = crew.send(sales)
        with uploading(crew.address, crew.token, sales.path, chunk=1 << 20) as uploader:
            uploader.upload(stop_at=4 << 20)
            unfinished = crew.job_of(uploader)
            crew.wait_for_progress(job)
            postgres.restart()
            # The client goes on from where the upload stands.
            uploader.upload()
        crew.check_exact(job, sales)
        crew.check_exact(unfinished, sales)
        page.wait_for(unfinished, "completed", timeout=10)
        page.wait_for(job, "completed", timeout=10)
    assert requests.get(f"{crew.address}/readyz", timeout=20).status_code == 200
    assert all(worker.returncode is None for worker in crew.workers)
    # One attempt may have been cut short by the restart, and is told so; none of them is still open.
    assert crew.outcomes(job)[-1] == crew.outcomes(unfinished)[-1] == "completed"
    assert len(crew.outcomes(job)) <= 2


@pytest.mark.deep
def test_connections_that_are_cut_again_and_again_cost_no_row(crew: Crew, sales: Sales) -> None:
    job = crew.send(sales)
    for _ in range(5):
        done = crew.value(job, "bytes_done")
        crew.cut_off_the_database()
        wait_until(lambda before=done: crew.value(job, "bytes_done") > before, what="progress", timeout=60)  # type: ignore[misc]
    crew.check_exact(job, sales)


@pytest.mark.deep
def test_who_asks_while_the_database_is_away_is_told_to_come_back(crew: Crew, postgres: Postgres) -> None:
    browser = log_in(crew.address)
    browser.headers["Accept"] = "text/html"
    postgres.stop()
    try:
        answer = crew.get("jobs")
        assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "database_away", "5")
        page = browser.get(f"{crew.address}/files/", timeout=20)
        assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
        assert "The database does not answer" in page.text
    finally:
        postgres.start()
    wait_until(lambda: crew.get("jobs").status_code == 200, what="an answer", timeout=30)
    assert browser.get(f"{crew.address}/files/", timeout=20).status_code == 200


@pytest.mark.deep
def test_a_worker_frozen_in_a_transaction_holds_nobody_up(tmp_path: Path, postgres: Postgres, redis: Redis) -> None:
    """PostgreSQL ends it; another worker takes the import over, comes to the same rows, and ends it meanwhile."""
    rows = 30_000
    path = write_customers(tmp_path / "customers.csv", rows)
    env = {
        "IMPORT_WINDOW_BYTES": str(rows * 65 // 6),
        "LEASE_SECONDS": "2",
        "SWEEP_SECONDS": "0.5",
        "IDLE_TRANSACTION_SECONDS": "1",
    }
    site = services_site(tmp_path, postgres, redis, env=env)
    try:
        crew = Crew.of(site)
        crew.fill(1)
        [sleeper] = crew.workers
        with psycopg.connect(site.env["DATABASE_URL"], autocommit=True) as connection:
            upload(crew.address, crew.token, path, kind="customers")
            fall_asleep(sleeper, connection)
        [job] = [str(site.query("SELECT id FROM reports_job"))]
        crew.fill(2)
        assert crew.wait_for_end(job) == "completed"
        customers = site.query("SELECT count(*) FROM reports_customer")
        row = crew.value(job, "row_to_json(reports_job)")
        assert customers == row["rows"] - row["bad_rows"]
        sleeper.signal_group(signal.SIGCONT)
        sleeper.wait_for_output(f"job {job}: ")
        # It lives, and works on.
        crew.workers[1].end()
        assert crew.post(f"jobs/{job}/again", json={}).status_code in (200, 201)
        again = wait_until(lambda: site.query(f"SELECT id FROM reports_job WHERE id <> '{job}'"), what="the job")  # noqa: S608
        assert crew.wait_for_end(str(again)) == "completed"
        assert crew.value(job, "row_to_json(reports_job)") == row
        assert site.query("SELECT count(*) FROM reports_customer") == customers
    finally:
        for worker in site.processes:
            worker.signal_group(signal.SIGCONT)
        site.end()
