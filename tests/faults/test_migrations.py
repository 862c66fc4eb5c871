"""A new version is installed while the old one is at work: no migration holds anybody up, and none loses a row."""

import threading
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest
import requests

from tests.faults.sales import Crew, Sales, answers_timed, crew_at
from tests.services import Postgres, Redis
from tests.services.tus import uploading

pytestmark = [pytest.mark.timeout(240), pytest.mark.deep]
# Where the apps' tables were before the latest migrations.
BEFORE = {
    "accounts": "0003_token_scopes_and_kept_answers",
    "reports": "0007_customers",
    "uploads": "0002_files_of_their_own",
}
PRINT_SQL = """
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader

names = sorted(key for key in MigrationLoader(None).disk_migrations if key[0] in {before} and key[1] > {before}[key[0]])
for app, name in names:
    print("MIGRATION")
    call_command("sqlmigrate", app, name, backwards=True)
    call_command("sqlmigrate", app, name)
"""
# How long the migrations of this test wait for a lock, of which they hold few: less than PostgreSQL's second before it
# ends somebody's transaction who takes part in a deadlock.
LOCK_MILLISECONDS = 100


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, redis: Redis) -> Iterator[Crew]:
    folder = tmp_path_factory.mktemp("site")
    with crew_at(folder, postgres, redis, LEASE_SECONDS="2", SWEEP_SECONDS="0.5") as crew:
        yield crew


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Sales:
    return Sales.write(tmp_path_factory.mktemp("files") / "sales.csv", 8_000_000)


def go_back(crew: Crew) -> None:
    for app, name in BEFORE.items():
        crew.site.manage("migrate", "--verbosity=0", app, name)


def test_processes_that_are_newer_than_the_tables_wait_for_them(crew: Crew, sales: Sales) -> None:
    """A job in the middle, and an upload in the middle, of before; all processes are there before the migrations."""
    crew.fill(1)
    with uploading(crew.address, crew.token, sales.path, chunk=1 << 20) as uploader:
        uploader.upload(stop_at=4 << 20)
        job = crew.job_of(uploader)
        crew.wait_for_progress(job)
        go_back(crew)
        done = crew.value(job, "bytes_done")
        told = requests.get(f"{crew.address}/api/jobs/{job}", headers=uploader.get_headers(), timeout=20)
        assert told.status_code >= 500
        crew.site.manage("migrate", "--verbosity=0")
        assert crew.value(job, "bytes_done") >= done > 0
        uploader.upload()
    crew.check_exact(job, sales)
    assert all(worker.returncode is None for worker in crew.workers)


def statements(crew: Crew) -> list[list[str]]:
    """What each migration does, after what takes it back, as it is told to PostgreSQL."""
    told = crew.site.manage("shell", "--verbosity=0", "-c", PRINT_SQL.format(before=BEFORE))
    return [
        [line for line in each.splitlines() if line and line not in ("BEGIN;", "COMMIT;") and line[:2] != "--"]
        for each in told.split("MIGRATION\n")[1:]
    ]


def test_migrations_hold_up_neither_an_upload_nor_a_job(
    crew: Crew, sales: Sales, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their statements again and again, with all the locks that they take, each time undone by a rollback."""
    crew.fill(1)
    migrations = statements(crew)
    assert all(any(line.startswith(("ALTER TABLE", "CREATE TABLE")) for line in sql) for sql in migrations)
    ended, times = threading.Event(), [0 for _ in migrations]

    def migrate() -> None:
        options = f"-c lock_timeout={LOCK_MILLISECONDS}"
        with psycopg.connect(crew.site.env["DATABASE_URL"], options=options) as connection:
            while not ended.wait(0.05):
                for number, sql in enumerate(migrations):
                    # What takes it back is not done beside others in earnest: it wants more than one table, and
                    # requests that want the same ones in another order would be ended for it.
                    with suppress(psycopg.errors.LockNotAvailable):
                        for line in sql:
                            connection.execute(line.encode())
                        times[number] += 1
                    connection.rollback()

    job = crew.send(sales)
    crew.wait_for_progress(job)
    migrating = threading.Thread(target=migrate)
    migrating.start()
    try:
        with answers_timed(monkeypatch) as taken:
            another = crew.send(sales, chunk=1 << 20)
        crew.check_exact(job, sales)
        crew.check_exact(another, sales)
    finally:
        ended.set()
        migrating.join()
    assert min(times) > 5, times
    assert max(taken) < 5
    assert crew.outcomes(job)[-1] == crew.outcomes(another)[-1] == "completed"
