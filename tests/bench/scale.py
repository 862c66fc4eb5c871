"""One large file and more and more workers: how throughput grows, and where the time goes that does not shrink.

Each worker has one hand and folds with one thread, as one of many small machines would. Measured from the job's start
to its end, by the database's clock; what the file's upload takes is not in it. ``BENCH_SCALE_MEGABYTES`` is the file's
size, ``BENCH_SCALE_WORKERS`` the numbers of workers ("1 2 4").

Workers of one machine share its cores with each other, the database and the web. So the first file is measured again
with workers that may run for a share of the time only (``BENCH_SCALE_SHARE``, 0.2), as if each were a small machine of
its own: what then does not grow is the design's fault and not the machine's.
"""

import json
import os
import tempfile
import threading
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
SHARE = float(os.environ.get("BENCH_SCALE_SHARE", "0.2"))
# How long a worker that has a share of a CPU runs and rests, together.
PERIOD_SECONDS = 0.05
# Files, with the options that they are processed with and the share of a CPU that each worker has.
RUNS: tuple[tuple[str, dict[str, Any], float], ...] = (
    ("12 departments", {}, 1),
    ("50,000 departments", {}, 1),
    ("amounts", {"amounts": True}, 1),
    ("12 departments", {}, SHARE),
)
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

    def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._session.post(f"{self._address}/api/{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def keep(self, path: Path, token: str) -> str:
        """Upload a file that stays; returns its id."""
        upload(self._address, token, path, chunk=16 << 20, keep="true")
        return str(self.get("files")["items"][0]["fileKey"])


@contextmanager
def held_to(share: float, workers: list[psutil.Process]) -> Iterator[None]:
    """Let each of the workers run for that share of the time only, one after another."""
    ended = threading.Event()

    def hold(place: int, worker: psutil.Process) -> None:
        ended.wait(PERIOD_SECONDS * place / len(workers))
        while not ended.wait(PERIOD_SECONDS * share):
            worker.suspend()
            ended.wait(PERIOD_SECONDS * (1 - share))
            worker.resume()

    holders = [threading.Thread(target=hold, args=(place, one)) for place, one in enumerate(workers) if share < 1]
    for holder in holders:
        holder.start()
    try:
        yield
    finally:
        ended.set()
        for holder in holders:
            holder.join()


def measure(
    site: Site, program: Program, file: str, workers: int, options: dict[str, Any], share: float
) -> dict[str, Any]:
    """Fold the file with so many workers, some times; what the best one took."""
    started = site.workers(workers, "--concurrency=1")
    # Those that work: each worker has one child, which has its hand.
    hands = [child for one in started for child in psutil.Process(one.pid).children()]
    used = [_cpu(hand) for hand in hands]
    best: dict[str, Any] = {}
    with held_to(share, hands):
        for _round in range(ROUNDS):
            job = program.post(f"files/{file}/process", options)["jobId"]
            while (told := program.get(f"jobs/{job}"))["status"] not in ("completed", "failed"):
                time.sleep(0.2)
            if told["status"] != "completed" or told["failedCount"]:
                raise SystemExit(told)
            seconds = float(
                site.query(f"SELECT extract(epoch FROM finished_at - started_at) FROM reports_job WHERE id = '{job}'")  # noqa: S608
            )
            if not best or seconds < best["seconds"]:
                best = {"workers": workers, "seconds": seconds, "rows": told["processedRows"], "total": told["total"]}
    best["cpu"] = [(_cpu(hand) - before) / ROUNDS for hand, before in zip(hands, used, strict=True)]
    for process in started:
        process.end()
    return best


def _cpu(process: psutil.Process) -> float:
    """What it has used, in seconds."""
    return sum(process.cpu_times()[:2])


def main() -> None:
    measured = []
    with tempfile.TemporaryDirectory() as made:
        os.environ["STATIC_ROOT"] = f"{made}/static"
        with service(Path(made)) as (site, address, token):
            program = Program(address, token)
            print("| file | workers | s | MB/s | times one | CPU s of each a round |\n|---|---:|---:|---:|---:|---:|")
            for name, options, share in RUNS:
                path = files.make(FOLDER, name, MEGABYTES)
                megabytes = path.stat().st_size / 1e6
                file = program.keep(path, token)
                figures = [measure(site, program, file, workers, options, share) for workers in WORKERS]
                if len({(one["rows"], one["total"]) for one in figures}) != 1:
                    raise SystemExit(f"not the same results: {figures}")
                called = name if share == 1 else f"{name}, {share:.0%} of a CPU each"
                for one in figures:
                    seconds, cpus = one["seconds"], ", ".join(f"{cpu:.1f}" for cpu in one["cpu"])
                    print(
                        f"| {called} | {one['workers']} | {seconds:.2f} | {megabytes / seconds:.0f} "
                        f"| {figures[0]['seconds'] / seconds:.2f} | {cpus} |",
                        flush=True,
                    )
                measured.append({"file": name, "share": share, "megabytes": megabytes, "figures": figures})
    told = FOLDER / "scale.json"
    told.write_text(json.dumps(measured, indent=2))
    print(f"as JSON: {told}")


if __name__ == "__main__":
    main()
