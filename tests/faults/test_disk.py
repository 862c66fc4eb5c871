"""A disk that is full: chunks are refused with 507 and nothing of them is recorded; what was there goes on later."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.faults.sales import Sales
from tests.services import Process, free_port, wait_until
from tests.services.site import EMAIL, PASSWORD, Site
from tests.services.tus import uploading

pytestmark = pytest.mark.timeout(180)
DISK_BYTES = 24 << 20
# Kept free where a test is about that; a quarter of it is the reserve.
MIN_FREE = 6 << 20
# A disk that only the process and its children see, put over a folder whose contents it takes on. Who is not root may
# do that too, in a name space for users of its own.
ALONE = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
WITH_DISK = f"""
cp -a "$1" "$1.before" && mount -t tmpfs -o size={DISK_BYTES},mode=700 tmpfs "$1" && cp -a "$1.before/." "$1" || exit 1
shift; exec "$@"
"""


@dataclass
class Small:
    """Everything in one process, a folder of which is on a small disk."""

    site: Site
    token: str
    address: str
    process: Process

    @property
    def data(self) -> Path:
        """As the process sees it."""
        return Path(f"/proc/{self.process.pid}/root{self.site.folder}/data")

    @property
    def free(self) -> int:
        return shutil.disk_usage(self.data / "files").free

    def value(self, sql: str) -> Any:
        """From a copy, as after a crash at this moment: SQLite would find its way out of the process's name space."""
        copy = self.site.folder / "copy.sqlite3"
        self.process.signal_group(signal.SIGSTOP)
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{self.data}/db.sqlite3{suffix}", f"{copy}{suffix}")
        self.process.signal_group(signal.SIGCONT)
        with closing(sqlite3.connect(copy)) as connection:
            row = connection.execute(sql).fetchone()
        return row and row[0]

    def fill(self, *, but: int = 0) -> Path:
        """With something else than ours."""
        filler = self.data / "files" / "filler"
        filler.parent.mkdir(exist_ok=True)
        with filler.open("wb") as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(65536))
                file.flush()
        with filler.open("r+b") as file:
            file.truncate(max(filler.stat().st_size - but, 0))
        return filler

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Tus-Resumable": "1.0.0", **options.pop("headers", {})}
        return requests.request(method, self.address + path, headers=headers, timeout=60, **options)

    def exhaust(self, job: str) -> None:
        """Fill the disk until SQLite has no room either: links are made and revoked until one is refused."""
        self.fill()
        path = f"/api/jobs/{job}/shares"
        for _attempt in range(2000):
            made = self.ask("POST", path, json={})
            if made.status_code == 507:
                return
            revoked = self.ask("DELETE", f"{path}/{made.json()['id']}")
            if revoked.status_code == 507:
                return
        raise AssertionError(f"There is still room: {made.text} {revoked.text}")

    def stored(self) -> set[str]:
        root = self.data / "files"
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}

    def check_database(self) -> None:
        assert self.value("PRAGMA integrity_check") == "ok"
        named = self.value("SELECT group_concat(storage_name) FROM uploads_part") or ""
        parts = {name for name in self.stored() if name.startswith("uploads/")}
        assert parts == {name for name in named.split(",") if name}
        assert self.value("SELECT coalesce(sum(size), 0) FROM uploads_part") == self.value(
            'SELECT coalesce(sum("offset"), 0) FROM uploads_upload'
        )


@pytest.fixture(params=["data/files", "data"], ids=["files", "database too"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Small]:
    """A small disk that is used to its last byte."""
    yield from _started(tmp_path, request.param, MIN_FREE_BYTES="0")


def _started(folder: Path, on_disk: str, **env: str) -> Iterator[Small]:
    if subprocess.run([*ALONE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("Nobody here may have a disk of their own.")
    site = Site(folder, SWEEP_SECONDS="0.5", LEASE_SECONDS="2", WINDOW_BYTES=str(4 << 20), **env)
    token = site.prepare()
    port, disk = free_port(), folder / on_disk
    disk.mkdir(exist_ok=True)
    command = [*ALONE, "sh", "-c", WITH_DISK, "sh", str(disk), sys.executable, "manage.py", "serve"]
    process = Process(command, env={**site.env, "PORT": str(port)}, log=folder / "serve.log")
    site.processes.append(process)
    process.wait_for_output("Salesagg is at")
    process.wait_for_port(port)
    yield Small(site, token, f"http://localhost:{port}", process)
    process.signal_group(signal.SIGCONT)
    site.end()


@pytest.fixture
def reserved(tmp_path: Path) -> Iterator[Small]:
    """All data on a small disk, of which some is kept free."""
    yield from _started(tmp_path, "data", MIN_FREE_BYTES=str(MIN_FREE), API_REQUESTS_PER_MINUTE="0")


@pytest.mark.deep
def test_what_does_not_fit_is_refused_and_goes_on_when_there_is_room(small: Small, tmp_path: Path) -> None:
    sales = Sales.write(tmp_path / "sales.csv", 12_000_000)
    filler = small.fill(but=6 << 20)
    headers = {"Authorization": f"Bearer {small.token}", "Tus-Resumable": "1.0.0"}
    with uploading(small.address, small.token, sales.path, chunk=1 << 20) as uploader:
        uploader.upload(stop_at=1 << 20)
        refused = None
        while refused is None:
            offset = int(requests.head(uploader.url, headers=headers, timeout=20).headers["Upload-Offset"])
            chunk = sales.path.read_bytes()[offset : offset + (1 << 20)]
            asked = {**headers, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
            answer = requests.patch(uploader.url, data=chunk, headers=asked, timeout=20)
            assert answer.status_code in (204, 507), answer.text
            refused = answer if answer.status_code == 507 else None
        assert refused.json()["code"] == "storage_full"
        told = requests.head(uploader.url, headers=headers, timeout=20)
        assert (told.status_code, int(told.headers["Upload-Offset"])) == (200, offset)
        small.check_database()
        filler.unlink()
        uploader.offset = offset
        uploader.upload()
    wait_until(lambda: small.value("SELECT status FROM reports_job") == "completed", what="the result", timeout=60)
    counts = (small.value("SELECT rows FROM reports_job"), small.value("SELECT bad_rows FROM reports_job"))
    assert counts == (sales.rows, sales.bad_rows)
    small.check_database()


@pytest.mark.deep
@pytest.mark.parametrize("small", ["data/files"], indirect=True)
def test_a_job_that_has_no_room_for_its_files_waits_for_it(small: Small, tmp_path: Path) -> None:
    sales = Sales.write(tmp_path / "sales.csv", 900_000)
    # Less than a window: nothing is done with it before its end has come.
    with uploading(small.address, small.token, sales.path, chunk=500_000) as uploader:
        uploader.upload(stop_at=500_000)
        filler = small.fill(but=sales.path.stat().st_size - uploader.offset + 3 * 4096)
        uploader.upload()
    wait_until(lambda: small.process.output.count("attempt failed") > 3, what="several attempts", timeout=60)
    assert small.value("SELECT status FROM reports_job") == "processing"
    assert "No space left" in small.value("SELECT error FROM reports_attempt WHERE ended_at IS NOT NULL")
    small.check_database()
    filler.unlink()
    wait_until(lambda: small.value("SELECT status FROM reports_job") == "completed", what="the result", timeout=60)
    counts = (small.value("SELECT rows FROM reports_job"), small.value("SELECT bad_rows FROM reports_job"))
    assert counts == (sales.rows, sales.bad_rows)
    small.check_database()


def send(small: Small, data: bytes) -> str:
    """Upload `data` as a kept file; returns its path."""
    headers = {"Upload-Length": str(len(data)), "Upload-Metadata": "keep dHJ1ZQ=="}
    path = small.ask("POST", "/uploads/", headers=headers).headers["Location"]
    headers = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert small.ask("PATCH", path, data=data, headers=headers).status_code == 204
    return path


@pytest.mark.deep
def test_a_nearly_full_disk_refuses_what_is_new_and_is_not_ready(reserved: Small) -> None:
    wait_until((reserved.data / "reserve").exists, what="the reserve")
    assert requests.get(f"{reserved.address}/readyz", timeout=20).json()["storage"] == "ok"
    path = send(reserved, b"some bytes")
    filler = reserved.fill(but=MIN_FREE - (1 << 20))
    for answer in (
        reserved.ask("POST", "/uploads/", headers={"Upload-Length": "10"}),
        reserved.ask("POST", "/api/files", files={"file": ("sales.csv", b"x")}),
        reserved.ask("POST", "/api/jobs/upload", files={"file": ("sales.csv", b"x")}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")

    def ready() -> dict[str, str]:
        told: dict[str, str] = requests.get(f"{reserved.address}/readyz", timeout=20).json()
        return told

    wait_until(lambda: ready()["storage"] == "failing", what="the look at the disk")
    assert requests.get(f"{reserved.address}/readyz", timeout=20).status_code == 503
    assert reserved.ask("DELETE", path).status_code == 204
    filler.unlink()
    wait_until(lambda: ready()["storage"] == "ok", what="the look at the disk")
    send(reserved, b"some bytes")


def test_a_full_disk_is_507_everywhere_and_deleting_still_works(reserved: Small, tmp_path: Path) -> None:
    wait_until((reserved.data / "reserve").exists, what="the reserve")
    sales = Sales.write(tmp_path / "sales.csv", 200_000)
    with uploading(reserved.address, reserved.token, sales.path, chunk=100_000) as uploader:
        uploader.upload()
    wait_until(lambda: reserved.value("SELECT status FROM reports_job") == "completed", what="the result", timeout=60)
    file, other = send(reserved, bytes(300_000)), send(reserved, b"some bytes")
    job = reserved.ask("GET", "/api/jobs").json()["items"][0]["jobId"]
    with requests.Session() as browser:
        page = browser.get(f"{reserved.address}/accounts/login/", timeout=20)
        reserved.exhaust(job)
        form = {"login": EMAIL, "password": PASSWORD, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        page = browser.post(
            f"{reserved.address}/accounts/login/", data=form, headers={"Accept": "text/html"}, timeout=60
        )
        assert (page.status_code, "storage is full" in page.text) == (507, True)
    for answer in (
        reserved.ask("POST", "/uploads/", headers={"Upload-Length": "10"}),
        reserved.ask("POST", "/api/files", files={"file": ("sales.csv", b"x")}),
        reserved.ask("POST", f"/api/jobs/{job}/shares", json={}),
        reserved.ask("POST", f"/api/jobs/{job}/again", json={}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (507, "storage_full"), answer.text
    assert reserved.ask("DELETE", other).status_code == 204
    assert not (reserved.data / "reserve").exists()
    assert reserved.ask("DELETE", f"/api/files/{file.split('/')[2]}").status_code == 204
    assert reserved.ask("DELETE", f"/api/jobs/{job}").status_code == 204
    assert reserved.value("PRAGMA integrity_check") == "ok"
    assert reserved.stored() == {"filler"}
    (reserved.data / "files" / "filler").unlink()
    wait_until((reserved.data / "reserve").exists, what="the reserve")
    assert requests.get(f"{reserved.address}/healthz", timeout=20).ok
