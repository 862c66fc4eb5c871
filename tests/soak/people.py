"""People at work: each sends files in some way, follows them to their end, and compares what came of them."""

import csv
import random
import threading
import traceback
from collections import Counter
from pathlib import Path

from tests.soak.files import File, make_customers
from tests.soak.program import Fault, Program
from tests.soak.world import World

# For a job to end once its file is there, with all that is killed meanwhile.
END_SECONDS = 300.0
# What fits into one request, and into the patience of who sends it again as a whole.
ONE_REQUEST_BYTES = 10_000_000


class Ledger:
    """What was done and what came of it, by all people."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.faults: list[str] = []
        self.known: dict[str, str] = {}
        self._lock = threading.Lock()

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def know(self, job: str, ended: str) -> None:
        with self._lock:
            self.known[job] = ended

    def blame(self, fault: str) -> None:
        with self._lock:
            self.faults.append(fault)
        print(f"FAULT {fault}", flush=True)


class Person(threading.Thread):
    def __init__(self, number: int, world: World, files: list[File], ledger: Ledger, seed: int) -> None:
        super().__init__(name=f"person {number}", daemon=True)
        self.ended = threading.Event()
        self._numbers = random.Random(f"{seed} {number}")
        self._program = Program(world, self._numbers, ledger.errors)
        self._files = files
        self._ledger = ledger
        self._folder = world.folder / f"person-{number}"
        self._folder.mkdir()
        self._sent = 0

    def run(self) -> None:
        while not self.ended.is_set():
            try:
                self._send_one()
            except Fault as fault:
                self._ledger.blame(str(fault))
            except Exception:
                self._ledger.blame(traceback.format_exc())

    def _send_one(self) -> None:
        file = self._choose()
        self._sent += 1
        name = f"{self._folder.name}-{self._sent}{''.join(file.path.suffixes)}"
        size = file.path.stat().st_size
        way = self._numbers.choice(["tus", "tus", "tus", "whole", "grpc", "given up"])
        if way == "given up":
            self._give_up(file, name)
            return
        if way == "grpc" and file.kind in ("plain", "quoted", "packed") and size < ONE_REQUEST_BYTES:
            job = self._program.send_by_grpc(file)
        elif way == "whole" and size < ONE_REQUEST_BYTES:
            job = self._program.send_whole(file, name)
        else:
            job = self._program.send_by_tus(file, name)
        self._ledger.count("sent")
        if self._numbers.random() < 0.2:
            self._cancel_and_retry(job, file)
        self._finish(job, file)

    def _choose(self) -> File:
        if self._numbers.random() < 0.2:
            path = self._folder / f"{self._folder.name}x{self._sent}.csv"
            rows = self._numbers.choice([50, 500, 3000])
            return make_customers(path, rows, self._numbers.randrange(10**6))
        # Smaller ones more often: the square is skewed to the beginning.
        return self._files[int(len(self._files) * self._numbers.random() ** 2)]

    def _give_up(self, file: File, name: str) -> None:
        """Begin an upload, and take it back, which ends its job too unless that was faster."""
        job = self._program.send_by_tus(file, name, until=self._numbers.uniform(0, 0.8))
        self._ledger.count("given up")
        self._program.take_back(self._program.upload_of(job))
        ended = self._program.wait_for_end(job, seconds=END_SECONDS)
        if ended["status"] == "failed":
            raise Fault(f"job {job} was taken back: {ended}")
        self._ledger.know(job, ended["status"])

    def _cancel_and_retry(self, job: str, file: File) -> None:
        threading.Event().wait(self._numbers.uniform(0, 2))
        self._program.ask("POST", f"/api/jobs/{job}/cancel")
        ended = self._program.wait_for_end(job, seconds=END_SECONDS)
        if ended["status"] == "cancelled":
            self._ledger.count("cancelled and retried")
            answer = self._program.ask("POST", f"/api/jobs/{job}/retry")
            # The answer before may have been lost: it is being retried, then.
            if answer.status_code not in (200, 202, 409):
                raise Fault(f"retrying job {job}: {answer.status_code} {answer.text}")

    def _finish(self, job: str, file: File) -> None:
        ended = self._program.wait_for_end(job, seconds=END_SECONDS)
        self._ledger.know(job, ended["status"])
        if ended["status"] != "completed":
            raise Fault(f"job {job} of {file.path.name} ended so: {ended}")
        told = (ended["totalRows"], ended["failedCount"])
        if told != (file.rows, file.bad_rows):
            raise Fault(f"job {job} of {file.path.name}: {told} rows instead of {(file.rows, file.bad_rows)}")
        found = self._customers(job) if file.kind == "customers" else self._lines(job, "result.csv")
        if found != file.result:
            differing = [pair for pair in zip(found, file.result, strict=False) if pair[0] != pair[1]][:3]
            raise Fault(f"job {job} of {file.path.name}: {len(found)}/{len(file.result)} lines, {differing}")
        listed = len(self._lines(job, "errors.csv")) - 1 if file.bad_rows else 0
        if listed != file.bad_rows:
            raise Fault(f"job {job} of {file.path.name}: {listed} rejected rows instead of {file.bad_rows}")
        self._ledger.count("exact")
        if file.kind == "customers":
            Path(file.path).unlink()

    def _lines(self, job: str, what: str) -> list[list[str]]:
        answer = self._program.ask("GET", f"/api/jobs/{job}/{what}")
        if answer.status_code != 200:
            raise Fault(f"{what} of job {job}: {answer.status_code} {answer.text[:300]}")
        return list(csv.reader(answer.content.decode().splitlines(keepends=True)))

    def _customers(self, job: str) -> list[list[str]]:
        rows = "json_build_array(row_number::text, name, email, phone, company) ORDER BY row_number"
        listed = f"SELECT coalesce(json_agg({rows}), '[]') FROM reports_customer WHERE job_id = '{job}'"  # noqa: S608
        return [list(map(str, row)) for row in self._program.query(listed)]
