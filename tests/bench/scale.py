"""One large file and more and more workers: how throughput grows, and where the time goes that does not shrink.

Each worker has one hand and folds with one thread, as one of many small machines would. Measured from the job's start
to its end, by the database's clock; what the file's upload takes is not in it. ``BENCH_SCALE_MEGABYTES`` is the file's
size, ``BENCH_SCALE_WORKERS`` the numbers of workers ("1 2 4").
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.bench import files
from tests.bench.run import FOLDER
from tests.services.backing import Postgres, Redis
from tests.services.site import Site, services_site
from tests.services.tus import upload

MEGABYTES = int(os.environ.get("BENCH_SCALE_MEGABYTES", "1000"))
WORKERS = [int(count) for count in os.environ.get("BENCH_SCALE_WORKERS", "1 2 4").split()]
NAMES = ("12 departments", "50,000 departments", "amounts")
# The best counts; the first one also waits for what is loaded once.
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "2"))


@contextmanager
def service(folder: Path) -> Iterator[tuple[Site, str, str]]:
    """A site with a web process and no worker, its address, and a token."""
    redis = Redis(folder)
    postgres = Postgres(folder)
    site = services_site(folder, postgres, redis, env={"FOLD_THREADS": "1"})
    try:
        token = site.prepare()
        yield site, site.web(API_REQUESTS_PER_MINUTE="0", API_REQUESTS_PER_MINUTE_PER_ADDRESS="0"), token
    finally:
        site.end()
        postgres.end()
        redis.end()


class Program:
    """A program of an account, by the REST API."""

    def __init__(self, address: str, token: str) -> None:
        self._address = address
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str) -> Any:
        return self._session.get(f"{self._address}/api/{path}", timeout=60).json()

    def post(self, path: str) -> Any:
        answer = self._session.post(f"{self._address}/api/{path}", json={}, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def keep(self, path: Path, token: str) -> str:
        """Upload a file that stays; returns its id."""
        upload(self._address, token, path, chunk=16 << 20, keep="true")
        return str(self.get("files")["items"][0]["fileKey"])


def measure(site: Site, program: Program, file: str, workers: int) -> dict[str, Any]:
    """Fold the file with so many workers, some times; what the best one took."""
    started = site.workers(workers, "--concurrency=1")
    times = [psutil.Process(process.pid) for process in started]
    best: dict[str, Any] = {}
    for _round in range(ROUNDS):
        job = program.post(f"files/{file}/process")["jobId"]
        while (told := program.get(f"jobs/{job}"))["status"] not in ("completed", "failed"):
            time.sleep(0.1)
        if told["status"] != "completed":
            raise SystemExit(told)
        seconds = float(
            site.query(f"SELECT extract(epoch FROM finished_at - started_at) FROM reports_job WHERE id = '{job}'")  # noqa: S608
        )
        if not best or seconds < best["seconds"]:
            best = {"workers": workers, "seconds": seconds, "rows": told["processedRows"], "total": told["total"]}
    best["cpu"] = sum(_cpu(process) for process in times) / ROUNDS
    for process in started:
        process.end()
    return best


def _cpu(process: psutil.Process) -> float:
    """What the worker and its children have used, starts included."""
    return sum(sum(one.cpu_times()[:2]) for one in (process, *process.children(recursive=True)))


def main() -> None:
    measured = []
    with tempfile.TemporaryDirectory() as made:
        os.environ["STATIC_ROOT"] = f"{made}/static"
        with service(Path(made)) as (site, address, token):
            program = Program(address, token)
            print("| file | workers | s | MB/s | times one | CPU s a round |\n|---|---:|---:|---:|---:|---:|")
            for name in NAMES:
                path = files.make(FOLDER, name, MEGABYTES)
                megabytes = path.stat().st_size / 1e6
                file = program.keep(path, token)
                figures = [measure(site, program, file, workers) for workers in WORKERS]
                if len({(one["rows"], one["total"]) for one in figures}) != 1:
                    raise SystemExit(f"not the same results: {figures}")
                for one in figures:
                    print(
                        f"| {name} | {one['workers']} | {one['seconds']:.2f} | {megabytes / one['seconds']:.0f} "
                        f"| {figures[0]['seconds'] / one['seconds']:.2f} | {one['cpu']:.1f} |",
                        flush=True,
                    )
                measured.append({"file": name, "megabytes": megabytes, "figures": figures})
    told = FOLDER / "scale.json"
    told.write_text(json.dumps(measured, indent=2))
    print(f"as JSON: {told}")


if __name__ == "__main__":
    main()
