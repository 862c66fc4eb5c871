"""Importing customers: a worker beside a plain loop that validates each row and inserts 100 rows a statement.

The same file into the same tables, on SQLite and on PostgreSQL, one after another, each in a process and a database of
its own; 3 rows in 100 are bad. ``BENCH_IMPORT_ROWS`` sets the size (1,000,000), ``BENCH_ROUNDS`` how often all is
measured (2; the best counts).
"""

import csv
import io
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from tests.bench.run import FOLDER, ROUNDS
from tests.services.backing import Postgres

ROWS = int(os.environ.get("BENCH_IMPORT_ROWS", "1000000"))
ROWS_A_STATEMENT = 100
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

Values = tuple[str, str, str, str]


def make(rows: int) -> Path:
    """A file of customers, 3 in 100 bad: without a name, with an address that is none, or one that was there before."""
    path = FOLDER / f"customers-{rows}.csv"
    if path.exists():
        return path
    FOLDER.mkdir(parents=True, exist_ok=True)
    numbers, before = random.Random(1), ""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "email", "phone", "company"])
        for row in range(rows):
            name, email = f"Person Number {row}", f"Person.{numbers.randrange(10**9)}.{row}@example{row % 997}.org"
            if row % 100 == 17:
                name = ""
            elif row % 100 == 41:
                email = "nobody at example.org"
            elif row % 100 == 83:
                email = before
            else:
                before = email
            writer.writerow([name, email, f"+49 30 {row:07}", f"Company {row % 5000}"])
    return path


def by_worker(path: Path, user: Any) -> tuple[int, int]:
    """As the product does it, with its checkpoints, its events, and the report of rejected rows."""
    from reports import lifecycle, runner
    from uploads import lifecycle as uploads
    from uploads import metadata, parts

    size = path.stat().st_size
    upload = uploads.create(user, length=size, metadata=metadata.write({"filename": path.name, "kind": "customers"}))
    with path.open("rb") as file:
        while piece := file.read(16 << 20):
            upload = parts.append(upload, offset=upload.offset, size=len(piece), body=io.BytesIO(piece))
    job = upload.jobs.get()
    begin()
    claim = lifecycle.claim()
    assert claim is not None
    runner.run(claim)
    job.refresh_from_db()
    assert job.status == "completed", job.error
    return job.rows, job.bad_rows


def by_statements(path: Path, user: Any) -> tuple[int, int]:
    """The plain loop, in SQL."""
    from django.db import connection
    from django.utils import timezone

    from reports import bulk
    from reports.models import Customer

    columns = ("owner_id", "job_id", "row_number", "name", "email", "email_key", "phone", "company", "created_at")
    row = f"({', '.join(['%s'] * len(columns))})"
    begin()
    job, now = bulk.prepared(Customer, "job", uuid.uuid4()), timezone.now()

    def write(batch: list[tuple[int, Values]]) -> None:
        values = [
            value
            for number, (name, email, phone, company) in batch
            for value in (user.pk, job, number, name, email, email.lower(), phone, company, now)
        ]
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO reports_customer ({', '.join(columns)}) VALUES {', '.join([row] * len(batch))} "  # noqa: S608  (names of ours)
                "ON CONFLICT DO NOTHING",
                values,
            )

    return _loop(path, write)


def by_objects(path: Path, user: Any) -> tuple[int, int]:
    """The plain loop, with Django's objects."""
    from django.utils import timezone

    from reports.models import Customer

    begin()
    job, now = uuid.uuid4(), timezone.now()

    def write(batch: list[tuple[int, Values]]) -> None:
        made = [
            Customer(
                owner=user,
                job_id=job,
                row_number=number,
                name=name,
                email=email,
                email_key=email.lower(),
                phone=phone,
                company=company,
                created_at=now,
            )
            for number, (name, email, phone, company) in batch
        ]
        Customer.objects.bulk_create(made, ignore_conflicts=True)

    return _loop(path, write)


def _loop(path: Path, write: Callable[[list[tuple[int, Values]]], None]) -> tuple[int, int]:
    """Rows, and those that are bad."""
    rows = bad = 0
    seen: set[str] = set()
    batch: list[tuple[int, Values]] = []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows += 1
            name, email, phone, company = (row[role].strip() for role in ("name", "email", "phone", "company"))
            errors = []
            if not name:
                errors.append("name")
            if not _EMAIL.fullmatch(email):
                errors.append("email")
            if not company:
                errors.append("company")
            if email.lower() in seen:
                errors.append("repeated")
            if errors:
                bad += 1
                continue
            seen.add(email.lower())
            batch.append((rows, (name, email, phone, company)))
            if len(batch) == ROWS_A_STATEMENT:
                write(batch)
                batch = []
    if batch:
        write(batch)
    return rows, bad


WAYS = {"worker": by_worker, "100 a statement": by_statements, "bulk_create(100)": by_objects}
_started = 0.0


def begin() -> None:
    """What is measured begins here."""
    global _started
    _started = time.perf_counter()


def run_here(way: str, path: Path) -> None:
    """In a process whose environment says which database it is; prints what was measured."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from accounts.models import User
    from reports.models import Customer

    user = User.objects.create_user("bench@example.org", "correct horse battery")
    rows, bad = WAYS[way](path, user)
    seconds = time.perf_counter() - _started
    print(json.dumps({"rows": rows, "bad": bad, "seconds": seconds, "customers": Customer.objects.count()}))


def measure(way: str, path: Path, folder: Path, url: str) -> dict[str, Any]:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "salesagg.settings",
        "SECRET_KEY": "for the benchmark alone",
        "DATA_DIR": str(folder),
        "LOG_LEVEL": "WARNING",
        **({"DATABASE_URL": url} if url else {}),
    }
    command = [sys.executable, "-m", "tests.bench.imports", way, str(path)]
    told = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    result: dict[str, Any] = json.loads(told.splitlines()[-1])
    return result


def databases(folder: Path) -> Iterator[tuple[str, Callable[[str], str]]]:
    """Each kind of database, and what makes a new one with a name."""
    yield "SQLite", lambda name: ""
    postgres = Postgres(folder)
    try:
        yield "PostgreSQL", lambda name: _created(postgres.url, name)
    finally:
        postgres.end()


def _created(url: str, name: str) -> str:
    with psycopg.connect(url.replace("postgres://", "postgresql://", 1), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def main() -> None:
    path = make(ROWS)
    figures = []
    print(
        f"{ROWS:,} rows, {path.stat().st_size / 1e6:.0f} MB\n\n| database | way | rows/s | ratio |\n|---|---|---:|---:|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for database, make_database in databases(Path(folder)):
            best: dict[str, dict[str, Any]] = {}
            for number in range(ROUNDS):
                for place, way in enumerate(WAYS):
                    name = f"bench_{number}_{place}"
                    there = Path(folder) / database / name
                    result = measure(way, path, there, make_database(name))
                    if way not in best or result["seconds"] < best[way]["seconds"]:
                        best[way] = result
            if len({(each["rows"], each["bad"], each["customers"]) for each in best.values()}) != 1:
                raise SystemExit(f"the ways do not agree: {best}")
            worker = best["worker"]["rows"] / best["worker"]["seconds"]
            for way, result in best.items():
                speed = result["rows"] / result["seconds"]
                figures.append({"database": database, "way": way, "rows a second": speed, **result})
                print(f"| {database} | {way} | {speed:,.0f} | {worker / speed:.1f} |", flush=True)
    told = FOLDER / "imports.json"
    told.write_text(json.dumps(figures, indent=2))
    print(f"as JSON: {told}")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        run_here(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
