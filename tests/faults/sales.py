"""What the tests of faults do with files of sales: send them, follow their jobs, and compare with plain Python."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from tests.files import totals_by_csv, write_sales
from tests.services import Postgres, Process, Redis, wait_until
from tests.services.site import Site, services_site
from tests.services.tus import uploading

# Of tests that try their luck; `make test-faults` tries it more often.
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "10"))


@dataclass(frozen=True)
class Sales:
    """A file of sales, and what is right for it."""

    path: Path
    totals: dict[str, int]
    rows: int
    bad_rows: int

    @classmethod
    def write(cls, path: Path, size: int) -> "Sales":
        return cls(path, *totals_by_csv(write_sales(path, size)))


@dataclass
class Crew:
    """A site with one web process, and its workers, of which some may be dead."""

    site: Site
    token: str
    address: str
    workers: list[Process] = field(default_factory=list)

    @classmethod
    def of(cls, site: Site) -> "Crew":
        return cls(site, site.prepare(), site.web())

    def fill(self, count: int, *options: str) -> None:
        """So many workers that are alive, and no more."""
        self.workers = [worker for worker in self.workers if worker.returncode is None]
        while len(self.workers) > count:
            self.workers.pop().end()
        self.workers += self.site.workers(max(count - len(self.workers), 0), *options or ["--concurrency=1"])

    def send(self, sales: Sales, **options: Any) -> str:
        """Upload it; returns its job."""
        with uploading(self.address, self.token, sales.path, **options) as uploader:
            uploader.upload()
            return self.job_of(uploader)

    def job_of(self, uploader: Any) -> str:
        upload = uploader.url.rstrip("/").rpartition("/")[2]
        return str(self.site.query(f"SELECT id FROM reports_job WHERE upload_id = '{upload}'"))  # noqa: S608

    def post(self, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return requests.post(f"{self.address}/api/{path}", headers=headers, timeout=30, **options)

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.address}/api/{path}", headers={"Authorization": f"Bearer {self.token}"}, timeout=30)

    def value(self, job: str, columns: str) -> Any:
        return self.site.query(f"SELECT {columns} FROM reports_job WHERE id = '{job}'")  # noqa: S608

    def status(self, job: str) -> str:
        return str(self.value(job, "status"))

    def outcomes(self, job: str) -> list[str]:
        """How its attempts ended, in order."""
        ended = f"SELECT json_agg(outcome ORDER BY started_at, id) FROM reports_attempt WHERE job_id = '{job}'"  # noqa: S608
        return list(self.site.query(ended) or [])

    def holder(self, job: str) -> Process:
        """The worker that has it."""
        held = f"SELECT worker FROM reports_attempt WHERE ended_at IS NULL AND job_id = '{job}'"  # noqa: S608
        name = wait_until(lambda: self.site.query(held), what="a worker")
        return next(worker for worker in self.workers if name.endswith(f":{worker.pid}"))

    def wait_for_progress(self, job: str) -> int:
        """Until it is in the middle of its work."""
        done = wait_until(lambda: self.value(job, "bytes_done"), what="progress", timeout=60)
        assert self.status(job) == "processing"
        return int(done)

    def wait_for_end(self, job: str, *, timeout: float = 90) -> str:
        wait_until(lambda: self.status(job) not in ("pending", "processing"), what="the end", timeout=timeout)
        return self.status(job)

    def check_exact(self, job: str, sales: Sales) -> None:
        """Completed, everything counted once, nothing left of the work."""
        assert self.wait_for_end(job) == "completed", self.value(job, "error")
        totals = f"SELECT json_object_agg(name, total::numeric) FROM reports_departmenttotal WHERE job_id = '{job}'"  # noqa: S608
        assert self.site.query(totals) == sales.totals
        assert (self.value(job, "rows"), self.value(job, "bad_rows")) == (sales.rows, sales.bad_rows)
        for table in ("reports_checkpoint", "reports_split"):
            none = f"SELECT count(*) = 0 FROM {table} WHERE job_id = '{job}'"  # noqa: S608
            # Of those that a sleeping worker has left the next sweep takes care.
            wait_until(lambda asked=none: self.site.query(asked), what=f"an empty {table}")  # type: ignore[misc]
        assert "" not in self.outcomes(job)

    def cut_off_the_database(self) -> None:
        self.site.query(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@contextmanager
def crew_at(folder: Path, postgres: Postgres, redis: Redis, *, workers: int = 0, **env: str) -> Iterator[Crew]:
    """A crew whose windows are small enough that a fault falls in the middle of a job."""
    site = services_site(folder, postgres, redis, env={"WINDOW_BYTES": "65536", **env})
    try:
        crew = Crew.of(site)
        crew.fill(workers)
        yield crew
    finally:
        site.end()


@contextmanager
def answers_timed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The seconds that each answer to `requests` took, tuspy's included."""
    taken: list[float] = []
    send: Callable[..., Any] = requests.Session.send

    def timed(self: requests.Session, request: Any, **options: Any) -> Any:
        began = time.monotonic()
        try:
            return send(self, request, **options)
        finally:
            taken.append(time.monotonic() - began)

    with monkeypatch.context() as patch:
        patch.setattr(requests.Session, "send", timed)
        yield taken


def is_up(url: str) -> bool:
    """Whether a PostgreSQL takes connections."""
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
