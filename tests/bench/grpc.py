"""gRPC: many uploads at once beside the older service's way, and one that is very large.

The service as it runs in earnest, a server for gRPC, a worker, PostgreSQL and Redis, beside `tests.bench.unary`, one
after the other with the same clients, files and calls: ``BENCH_GRPC_CALLS`` of them (50) from 5 programs, of
``BENCH_GRPC_MEGABYTES`` (10) each. ``BENCH_ROUNDS`` sets how often that is measured (2; the best counts), after a round
that does not count. ``BENCH_GRPC_LARGE`` sets the sizes of what goes through one call ("100 1000").
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from reports.rpc.stubs.sales_pb2 import DownloadRequest, JobStatusRequest
from tests.bench import files
from tests.bench.run import FOLDER, ROUNDS
from tests.services import Postgres, Process, Redis, free_port
from tests.services.processes import ROOT
from tests.services.rpc import Rpc
from tests.services.site import Site, services_site

CALLS = int(os.environ.get("BENCH_GRPC_CALLS", "50"))
MEGABYTES = int(os.environ.get("BENCH_GRPC_MEGABYTES", "10"))
LARGE = [int(size) for size in os.environ.get("BENCH_GRPC_LARGE", "100 1000").split()]
PROGRAMS = 5
# Of our way; the older one has all in one.
MESSAGE_BYTES = 256 * 1024


@dataclass
class Way:
    """One of the two: who is asked, who does the work, and how clients cut their files."""

    name: str
    rpc: Rpc
    message: int
    server: Process
    workers: list[Process] = field(default_factory=list)
    database: str = ""


class Watch:
    """What the processes of a way take while it is measured, and how soon it answers other calls."""

    def __init__(self, way: Way, others: list[int]) -> None:
        self._way, self._others = way, others
        self._over = threading.Event()
        self.peaks: dict[str, float] = {}
        self.seconds: dict[str, list[float]] = {"DownloadResult": [], "GetJobStatus": []}
        self.connections = 0
        self._threads = [threading.Thread(target=look) for look in (self._weigh, self._count)]

    def __enter__(self) -> "Watch":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def ask(self, result: str) -> None:
        """From now on, ask for what an earlier upload gave."""
        thread = threading.Thread(target=self._ask, args=(result,))
        thread.start()
        self._threads.append(thread)

    def _weigh(self) -> None:
        groups = {
            "server": family([self._way.server.pid]),
            "workers": family([worker.pid for worker in self._way.workers]),
            "programs": family(self._others),
        }
        while not self._over.wait(0.02):
            for group, processes in groups.items():
                self.peaks[group] = max(self.peaks.get(group, 0), sum(map(memory, processes)) / 2**20)

    def _count(self) -> None:
        if not self._way.database:
            return
        with psycopg.connect(self._way.database, autocommit=True) as connection:
            while not self._over.wait(0.1):
                sql = "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()"
                row = connection.execute(sql).fetchone()
                self.connections = max(self.connections, row[0] if row else 0)

    def _ask(self, result: str) -> None:
        asked: dict[str, Any] = {"DownloadResult": DownloadRequest(result_id=result)}
        if self._way.database:
            asked["GetJobStatus"] = JobStatusRequest(job_id=result)
        while not self._over.wait(0.1):
            for method, request in asked.items():
                began = time.perf_counter()
                self._way.rpc.call(method, request, timeout=600)
                self.seconds[method].append(time.perf_counter() - began)


def family(pids: list[int]) -> list[psutil.Process]:
    """These processes and their children."""
    parents = [psutil.Process(pid) for pid in pids]
    return parents + [child for parent in parents for child in parent.children(recursive=True)]


def memory(process: psutil.Process) -> int:
    """What forked processes share counts with each of them."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0


def cpu(way: Way) -> float:
    """Seconds that the processes of the way have worked."""
    everyone = family([way.server.pid, *(worker.pid for worker in way.workers)])
    return sum(sum(one.cpu_times()[:2]) for one in everyone)


@contextlib.contextmanager
def programs(way: Way, path: Path, *, count: int, calls: int, message: int) -> Iterator[list["subprocess.Popen[str]"]]:
    """Clients that are ready to begin."""
    command = [sys.executable, "-m", "tests.services.rpc", way.rpc.address, way.rpc.token, str(path)]
    command += [f"--calls={calls}", f"--message={message}"]
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(count)
        ]
        for one in started:
            assert one.stdout
            assert one.stdout.readline() == "ready\n"
        yield started


def answers(started: list["subprocess.Popen[str]"]) -> list[dict[str, Any]]:
    """What the clients are told, once all have been let begin."""
    for one in started:
        assert one.stdin
        one.stdin.write("\n")
        one.stdin.flush()
    return [answer for one in started if one.stdout for answer in json.loads(one.stdout.readline())]


def measure(way: Way, path: Path, earlier: str) -> dict[str, Any]:
    """All calls at once."""
    each = CALLS // PROGRAMS
    with (
        programs(way, path, count=PROGRAMS, calls=each, message=way.message) as clients,
        Watch(way, [one.pid for one in clients]) as watch,
    ):
        watch.ask(earlier)
        worked, began = cpu(way), time.perf_counter()
        told = answers(clients)
        wall = time.perf_counter() - began
        worked = cpu(way) - worked
    seconds = [answer["seconds"] for answer in told]
    results = {way.rpc.call("DownloadResult", DownloadRequest(result_id=answer["id"])).data.decode() for answer in told}
    if len(results) != 1 or len({(answer["rows"], answer["bad"]) for answer in told}) != 1:
        raise SystemExit(f"{way.name}: the calls do not agree")
    return {
        "way": way.name,
        "wall": wall,
        "MB/s": len(told) * path.stat().st_size / 1e6 / wall,
        "CPU": worked,
        "p50": quantile(seconds, 0.5),
        "p95": quantile(seconds, 0.95),
        **watch.peaks,
        **{f"{method} p95 ms": 1000 * quantile(asked, 0.95) for method, asked in watch.seconds.items()},
        "connections": watch.connections,
        "result": results.pop(),
        "rows": told[0]["rows"],
    }


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))] if values else 0.0


def compare(ways: list[Way], path: Path) -> list[dict[str, Any]]:
    """The best of each."""
    best: dict[str, dict[str, Any]] = {}
    earlier: dict[str, str] = {}
    for way in ways:
        with programs(way, path, count=1, calls=2, message=way.message) as clients:
            earlier[way.name] = answers(clients)[0]["id"]
    for number in range(ROUNDS + 1):
        for way in ways:
            measured = measure(way, path, earlier[way.name])
            print(f"  {way.name}, round {number}: {measured['wall']:.2f} s", file=sys.stderr, flush=True)
            if number and (way.name not in best or measured["wall"] < best[way.name]["wall"]):
                best[way.name] = measured
    if len({(one["result"], one["rows"]) for one in best.values()}) != 1:
        raise SystemExit("the ways do not agree")
    return list(best.values())


def send_large(way: Way, path: Path) -> dict[str, Any]:
    """One call, 1 MiB a message."""
    with (
        programs(way, path, count=1, calls=1, message=1 << 20) as clients,
        Watch(way, [one.pid for one in clients]) as watch,
    ):
        began = time.perf_counter()
        [answer] = answers(clients)
        wall = time.perf_counter() - began
    result = way.rpc.call("DownloadResult", DownloadRequest(result_id=answer["id"])).data.decode()
    totals, rows = known(path)
    expected = "".join(f"{name},{total}\n" for name, total in sorted(totals.items()))
    if result != f"Department Name,Total Number of Sales\n{expected}" or (answer["rows"], answer["bad"]) != (rows, 0):
        raise SystemExit(f"{path.name}: {answer} is wrong")
    megabytes = path.stat().st_size / 1e6
    return {"megabytes": megabytes, "rows": rows, "wall": wall, "MB/s": megabytes / wall, **watch.peaks}


def known(path: Path) -> tuple[Counter[str], int]:
    """Totals and rows of a file that `files.make` made of blocks, each of them added up once."""
    blocks: list[tuple[int, Counter[str]]] = []
    totals: Counter[str] = Counter()
    with path.open("rb") as file:
        file.readline()
        left = path.stat().st_size - file.tell()
        for number in range(left):
            if left == 0:
                return totals, number * files.BLOCK_ROWS
            if number < files.BLOCKS:
                blocks.append(add_up([file.readline() for _ in range(files.BLOCK_ROWS)]))
            size, added = blocks[number % files.BLOCKS]
            left -= size
            totals.update(added)
    raise AssertionError("the file does not end with a block")


def add_up(lines: list[bytes]) -> tuple[int, Counter[str]]:
    added: Counter[str] = Counter()
    for line in lines:
        department, _, sales = line.decode().split(",")
        added[department] += int(sales)
    return sum(map(len, lines)), added


@contextlib.contextmanager
def both_ways(folder: Path) -> Iterator[tuple[Way, Way]]:
    with ExitStack() as stack:
        postgres, redis = Postgres(folder), Redis(folder)
        stack.callback(redis.end)
        stack.callback(postgres.end)
        unlimited = {"API_REQUESTS_PER_MINUTE": "0", "API_REQUESTS_PER_MINUTE_PER_ADDRESS": "0"}
        site: Site = services_site(folder, postgres, redis, env=unlimited)
        stack.callback(site.end)
        token = site.prepare()
        worker = site.worker("--concurrency=2")
        ours = Rpc(site.grpc(), token)
        stack.callback(ours.close)
        streamed = Way("streamed", ours, MESSAGE_BYTES, site.processes[-1], [worker], site.env["DATABASE_URL"])

        port, kept = free_port(), folder / "unary"
        kept.mkdir()
        server = Process([sys.executable, "-m", "tests.bench.unary", str(port), str(kept)], log=folder / "unary.log")
        stack.callback(server.end)
        server.wait_for_port(port)
        older = Rpc(f"127.0.0.1:{port}", token)
        stack.callback(older.close)
        yield streamed, Way("in one message", older, 0, server)


HEADINGS = ("wall", "MB/s", "CPU", "p50", "p95", "server", "workers", "DownloadResult p95 ms", "GetJobStatus p95 ms")


def table(measured: list[dict[str, Any]]) -> str:
    """The figures of both ways, and theirs as multiples of ours."""
    ours = measured[0]
    lines = [f"| | {' | '.join(HEADINGS)} |", f"|---|{'---:|' * len(HEADINGS)}"]
    for one in measured:
        figures = (f"{one[heading]:,.2f}" if heading in one else "" for heading in HEADINGS)
        lines.append(f"| {one['way']} | {' | '.join(figures)} |")
    for one in measured[1:]:
        ratios = (f"{one[heading] / ours[heading]:.2f}" if ours.get(heading) else "" for heading in HEADINGS)
        lines.append(f"| {one['way']}, ratio | {' | '.join(ratios)} |")
    return "\n".join(lines)


def main() -> None:
    path = files.make(FOLDER, "12 departments", MEGABYTES)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.environ["STATIC_ROOT"] = f"{folder}/static"
        with both_ways(folder) as (ours, older):
            measured = compare([ours, older], path)
            print(f"{CALLS} uploads of {path.stat().st_size / 1e6:.1f} MB at once\n\n{table(measured)}")
            print(f"connections to PostgreSQL: {measured[0]['connections']}\n", flush=True)
            print("| MB in one call | rows | s | MB/s | client MiB | server MiB | workers MiB |")
            print("|---:|---:|---:|---:|---:|---:|---:|")
            sent = [send_large(ours, files.make(FOLDER, "12 departments", size)) for size in LARGE]
            for one in sent:
                print(
                    f"| {one['megabytes']:,.0f} | {one['rows']:,} | {one['wall']:.2f} | {one['MB/s']:.0f} "
                    f"| {one['programs']:.0f} | {one['server']:.0f} | {one['workers']:.0f} |",
                    flush=True,
                )
    told = FOLDER / "grpc.json"
    told.write_text(json.dumps({"at once": measured, "large": sent}, indent=2))
    print(f"as JSON: {told}")


if __name__ == "__main__":
    main()
