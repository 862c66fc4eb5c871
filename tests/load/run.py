"""The run: servers, programs, the ways one after the other, and whether anything was lost."""

import asyncio
import contextlib
import dataclasses
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.files import totals_by_csv, write_sales
from tests.load import figures
from tests.load.figures import Figures
from tests.load.program import Program, Told, raise_limit_of_files
from tests.load.weighing import Weighing, memory
from tests.services import Postgres, Process, Redis, free_port
from tests.services.processes import ROOT
from tests.services.site import Site, services_site

OURS_WATCHED, OURS_ALONE, THEIRS = "with dashboards", "without", "@tus/server"


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    people: int = 200
    sockets: int = 1000
    megabytes: float = 5
    chunk_megabytes: float = 1
    # So long the dashboards are only open.
    quiet_seconds: float = 15
    # After this everything that has not come is lost.
    most_seconds: float = 300

    @classmethod
    def of_environment(cls) -> "Size":
        asked = os.environ.get
        return cls(
            people=int(asked("LOAD_PEOPLE", "200")),
            sockets=int(asked("LOAD_SOCKETS", "1000")),
            megabytes=float(asked("LOAD_FILE_MB", "5")),
            chunk_megabytes=float(asked("LOAD_CHUNK_MB", "1")),
            quiet_seconds=float(asked("LOAD_QUIET_SECONDS", "15")),
            most_seconds=float(asked("LOAD_MOST_SECONDS", "300")),
        )


@dataclass
class Report:
    """All that came of a run."""

    ways: list[Figures]
    # Of the dashboards: how long opening took, what one takes of the web's memory, and what all cost idle.
    open_ms: list[float]
    kib_a_socket: float
    quiet_cpu: dict[str, float]
    client_cpu: dict[str, float]

    @property
    def lost(self) -> list[str]:
        return [what for way in self.ways for what in way.lost]


class Load:
    """A site under load."""

    def __init__(self, size: Size, folder: Path, postgres: Postgres, redis: Redis) -> None:
        self.size = size
        # Everybody comes from one address here.
        unlimited = {"API_REQUESTS_PER_MINUTE_PER_ADDRESS": "0", "FOLD_THREADS": "1"}
        self.site: Site = services_site(folder, postgres, redis, env=unlimited)
        self.path = write_sales(folder / "sales.csv", int(size.megabytes * 1e6))
        self._redis = redis

    def start(self) -> None:
        self.site.prepare()
        self.web = [self.site.web() for _ in range(2)]
        web = [process.pid for process in self.site.processes]
        workers = self.site.workers(2, "--concurrency=1")
        made = self.site.start(
            "-m", "tests.load.people", str(self.size.people), DJANGO_SETTINGS_MODULE="salesagg.settings"
        )
        made.wait(timeout=120)
        lines = [line for line in made.output.splitlines() if line.startswith("{")]
        self.people: list[Told] = [json.loads(line) for line in lines]
        assert len(self.people) == self.size.people, made.output
        with self._connect() as connection:
            postgres = psutil.Process(connection.info.backend_pid).ppid()
        self.processes = {
            "web": web,
            "workers": [worker.pid for worker in workers],
            "PostgreSQL": [postgres],
            "Redis": [self._redis.process.pid],
        }

    def web_memory(self) -> float:
        return memory([psutil.Process(pid) for pid in self.processes["web"]])

    def uploaders(self) -> list[Told]:
        """Who uploads, and where to: half of them to each web process."""
        return [
            {"number": one["number"], "session": one["session"], "address": f"{self.web[one['number'] % 2]}/uploads/"}
            for one in self.people
        ]

    def dashboards(self) -> list[Told]:
        """As many of each person, half of them at each web process, whichever gets the upload."""
        sockets = []
        for number in range(self.size.sockets):
            person = self.people[number % len(self.people)]
            address = self.web[number // len(self.people) % 2].replace("http", "ws", 1)
            sockets.append({"number": person["number"], "session": person["session"], "address": f"{address}/ws/jobs/"})
        return sockets

    async def ended(self, uploaded: Told) -> dict[str, datetime]:
        """Wait until every upload's job has ended, for so long at most; which have, and when."""
        deadline = asyncio.get_running_loop().time() + self.size.most_seconds
        uploads = [person["upload"] for person in uploaded["people"]]
        with self._connect() as connection:
            while True:
                sql = "SELECT upload_id::text, finished_at FROM reports_job"
                sql += " WHERE upload_id::text = ANY(%s) AND finished_at IS NOT NULL"
                ended = dict(connection.execute(sql, [uploads]).fetchall())
                if len(ended) == len(uploads) or asyncio.get_running_loop().time() > deadline:
                    return ended
                await asyncio.sleep(0.5)

    def lost(self, uploaded: Told) -> list[str]:
        """What of the uploads has not come to the right result."""
        totals, rows, bad_rows = totals_by_csv(self.path)
        lost = []
        with self._connect() as connection:
            for person in uploaded["people"]:
                sql = "SELECT id, status, rows, bad_rows FROM reports_job WHERE upload_id = %s"
                jobs = connection.execute(sql, [person["upload"]]).fetchall()
                own = {f"Person {person['number']}": person["number"]}
                if [job[1:] for job in jobs] != [("completed", rows + 1, bad_rows)]:
                    lost.append(f"person {person['number']}: {jobs}")
                    continue
                sql = "SELECT name, total FROM reports_departmenttotal WHERE job_id = %s"
                found = {name: int(total) for name, total in connection.execute(sql, [jobs[0][0]])}
                if found != totals | own:
                    lost.append(f"person {person['number']}: the totals are wrong")
        return lost

    def _connect(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(self.site.env["DATABASE_URL"], autocommit=True)


async def uploads(load: Load, program: Program, way: str, people: list[Told], processes: dict[str, list[int]]) -> Any:
    """Let everybody upload; what the program tells, and the figures."""
    chunk, seconds = int(load.size.chunk_megabytes * 2**20), load.size.most_seconds
    async with Weighing(processes) as weighing:
        told = await program.ask(path=str(load.path), people=people, chunk=chunk, seconds=seconds)
        ended = await load.ended(told) if way != THEIRS else {}
    measured = figures.of(way, told, size=load.path.stat().st_size, weighing=weighing)
    measured.cpu["uploading program"] = told["cpu"]
    if way != THEIRS:
        figures.add_results(measured, told, ended)
        measured.lost += load.lost(told)
    say(f"{way}: {measured.wall:.1f} s, {measured.megabytes_a_second:.0f} MB/s, errors {measured.errors}")
    return told, measured


async def run(load: Load, theirs: "Yardstick") -> Report:
    async with Program("tests.load.uploading") as uploading, Program("tests.load.watching") as watching:
        # What is loaded with the first uploads belongs to none of the ways.
        warm = await uploading.ask(
            path=str(load.path), people=load.uploaders()[:4], chunk=1 << 20, seconds=load.size.most_seconds
        )
        await load.ended(warm)
        _, alone = await uploads(load, uploading, OURS_ALONE, load.uploaders(), load.processes)

        before = load.web_memory()
        opened = await watching.ask(do="open", dashboards=load.dashboards(), seconds=load.size.most_seconds)
        report_open = figures.quantiles(opened["seconds"])
        kib = (load.web_memory() - before) * 1024 / load.size.sockets
        say(f"{load.size.sockets} dashboards open after {report_open} ms, {kib:.0f} KiB each")
        async with Weighing(load.processes) as quiet:
            await asyncio.sleep(load.size.quiet_seconds)

        told, watched = await uploads(load, uploading, OURS_WATCHED, load.uploaders(), load.processes)
        ends = {str(person["number"]): person["upload"] for person in told["people"]}
        await watching.ask(do="see", uploads=ends, seconds=60)
        seen = await watching.ask(do="end")
        figures.add_events(watched, told, seen["dashboards"])
        watched.errors |= seen["errors"]

        with theirs.started() as (address, process):
            people = [one | {"address": address} for one in load.uploaders()]
            await uploading.ask(path=str(load.path), people=people[:4], chunk=1 << 20, seconds=load.size.most_seconds)
            _, yardstick = await uploads(load, uploading, THEIRS, people, {"web": [process.pid]})
            yardstick.lost += theirs.lost(load)
    return Report(
        ways=[watched, alone, yardstick],
        open_ms=report_open,
        kib_a_socket=kib,
        quiet_cpu={kind: seconds / load.size.quiet_seconds for kind, seconds in quiet.cpu.items()},
        client_cpu={"watching": seen["cpu"]},
    )


class Yardstick:
    """@tus/server in a process of Node."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "theirs"
        self._log = folder / "theirs.log"

    @contextlib.contextmanager
    def started(self) -> Iterator[tuple[str, Process]]:
        port = free_port()
        self._folder.mkdir()
        node = shutil.which("node") or str(Path(sys.executable).with_name("node"))
        script = str(Path(__file__).with_name("yardstick.mjs"))
        process = Process([node, script, str(port), str(self._folder)], log=self._log)
        try:
            process.wait_for_port(port)
            yield f"http://127.0.0.1:{port}/uploads", process
        finally:
            process.end()

    def lost(self, load: Load) -> list[str]:
        """Files that are not whole; each has a row more than the common one."""
        sizes = [path.stat().st_size for path in self._folder.iterdir() if path.suffix != ".json"]
        whole = [size for size in sizes if size > load.path.stat().st_size]
        missing = load.size.people + min(4, load.size.people) - len(whole)
        return [f"{missing} files are not whole"] if missing else []


@contextlib.contextmanager
def services(folder: Path) -> Iterator[tuple[Postgres, Redis]]:
    with ExitStack() as stack:
        postgres, redis = Postgres(folder), Redis(folder)
        stack.callback(postgres.end)
        stack.callback(redis.end)
        yield postgres, redis


def measure(size: Size, folder: Path, postgres: Postgres, redis: Redis) -> Report:
    """A whole run, on these services."""
    raise_limit_of_files()
    load = Load(size, folder, postgres, redis)
    try:
        load.start()
        return asyncio.run(run(load, Yardstick(folder)))
    finally:
        load.site.end()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    size = Size.of_environment()
    with tempfile.TemporaryDirectory() as made, services(Path(made)) as (postgres, redis):
        os.environ["STATIC_ROOT"] = f"{made}/static"
        report = measure(size, Path(made), postgres, redis)
    print(f"{size}\n\n{figures.table(report.ways)}\n")
    print(f"dashboards open after ms: {report.open_ms}; KiB of the web each: {report.kib_a_socket:.0f}")
    print(f"cores while they only watch: {report.quiet_cpu}; CPU s of the watching program: {report.client_cpu}")
    told = ROOT / os.environ.get("DATA_DIR", "var") / "load.json"
    told.parent.mkdir(parents=True, exist_ok=True)
    told.write_text(json.dumps(dataclasses.asdict(report), indent=2))
    print(f"as JSON: {told}")
    if report.lost:
        raise SystemExit("\n".join(["lost:", *report.lost[:50]]))
