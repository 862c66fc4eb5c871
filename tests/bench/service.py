"""The whole service: how long after the last byte is the result there?

One process as of ``make run``, a tus client, and a dashboard's WebSocket. Measured from the acknowledgement of the last
chunk to the event that says "completed". ``BENCH_SERVICE_MEGABYTES`` sets the sizes ("10 100 1000").
"""

import contextlib
import json
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.bench import files
from tests.bench.run import FOLDER
from tests.services.site import Site, log_in
from tests.services.tus import upload

SIZES = [int(size) for size in os.environ.get("BENCH_SERVICE_MEGABYTES", "10 100 1000").split()]
# The best counts; the first one also waits for what is loaded once.
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "2"))


class Watch:
    """When the latest job was completed, by a dashboard's WebSocket, and the most memory that was used till then."""

    def __init__(self, address: str, process: psutil.Process) -> None:
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in log_in(address).cookies)
        self._socket = connect(
            f"{address.replace('http', 'ws')}/ws/jobs/",
            additional_headers={"Cookie": cookies},
            origin=Origin(address),
        )
        self._process = process
        self.peak = 0
        self.completed_at = 0.0
        self.job: dict[str, Any] = {}
        self.done = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._sample, daemon=True).start()

    def end(self) -> None:
        self._socket.close()

    def _listen(self) -> None:
        for message in self._socket:
            for job in json.loads(message)["jobs"]:
                if job["status"] in ("completed", "failed") and job["id"] != self.job.get("id"):
                    self.completed_at, self.job = time.perf_counter(), job
                    self.done.set()

    def _sample(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            while self._process.is_running():
                self.peak = max(self.peak, self._process.memory_info().rss)
                time.sleep(0.02)


def measure(address: str, token: str, path: Path, watch: Watch) -> dict[str, Any]:
    """Upload the file, and wait for its result."""
    watch.done.clear()
    started = time.perf_counter()
    upload(address, token, path, chunk=16 << 20)
    sent = time.perf_counter()
    if not watch.done.wait(600) or watch.job["status"] != "completed":
        raise SystemExit(f"{path.name}: {watch.job}")
    return {
        "megabytes": round(path.stat().st_size / 1e6),
        "rows": watch.job["rows"],
        "upload": sent - started,
        "last byte to result": watch.completed_at - sent,
        "peak": watch.peak / 2**20,
    }


def main() -> None:
    paths = [files.make(FOLDER, "12 departments", size) for size in SIZES]
    figures = []
    print("| MB | rows | upload s | last byte to result s | peak MiB |\n|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STATIC_ROOT"] = f"{folder}/static"
        site = Site(Path(folder))
        try:
            token = site.prepare()
            address = site.serve()
            watch = Watch(address, psutil.Process(site.processes[0].pid))
            for path in paths:
                best = min(
                    (measure(address, token, path, watch) for _ in range(ROUNDS)),
                    key=lambda measured: measured["last byte to result"],
                )
                figures.append(best)
                print(
                    f"| {best['megabytes']:,} | {best['rows']:,} | {best['upload']:.2f} "
                    f"| {best['last byte to result']:.2f} | {best['peak']:.0f} |",
                    flush=True,
                )
            watch.end()
        finally:
            site.end()
    path = FOLDER / "service.json"
    path.write_text(json.dumps(figures, indent=2))
    print(f"as JSON: {path}")


if __name__ == "__main__":
    main()
