"""Storage that is away, hangs, does not let us in or has lost something: nothing is counted wrong, all goes on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.files import totals_by_csv, write_sales
from tests.services import S3, Postgres, Redis, wait_until
from tests.services.site import Site, services_site
from tests.services.tus import upload, uploading
from tests.services.unwell import Unwell

# On a machine that has other things to do.
pytestmark = pytest.mark.timeout(240)
WINDOW = 1 << 20
# Of other sizes than what is sent to the store besides: heads, and rows of results.
CHUNK = 400_000


class World:
    """A web process and a worker, each with a way to the store of its own."""

    def __init__(self, folder: Path, postgres: Postgres, redis: Redis, s3: S3) -> None:
        self.s3 = s3
        self.of_web, self.of_worker = Unwell(s3.port), Unwell(s3.port)
        small = {"WINDOW_BYTES": str(WINDOW), "LEASE_SECONDS": "1", "SWEEP_SECONDS": "0.3"}
        self.site: Site = services_site(folder, postgres, redis, s3, env=small)
        self.token = self.site.prepare()
        browsers = f"http://127.0.0.1:{self.of_web.port}"
        self.address = self.site.web(STORAGE_URL=f"{self.of_web.url(s3.url)}&public_url={browsers}&timeout=1")
        self.site.env["STORAGE_URL"] = f"{self.of_worker.url(s3.url)}&timeout=2"
        self.site.worker("--concurrency=1")

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Tus-Resumable": "1.0.0", **options.pop("headers", {})}
        return requests.request(method, self.address + path, headers=headers, timeout=60, **options)

    def send(self, path: str, data: bytes, offset: int) -> requests.Response:
        headers = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
        return self.ask("PATCH", path, data=data, headers=headers)

    def created(self, size: int) -> str:
        return self.ask("POST", "/uploads/", headers={"Upload-Length": str(size)}).headers["Location"]

    def job(self) -> dict[str, Any]:
        """The newest."""
        found: dict[str, Any] = self.ask("GET", "/api/jobs").json()["items"][0]
        return found

    def end_of_job(self) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            job = self.job()
            return job if job["status"] in ("completed", "failed") else {}

        return wait_until(look, what="the job's end", timeout=60)

    def heal(self) -> None:
        """The store answers again, and the web process, which remembers for a while that it did not, knows."""
        for way in (self.of_web, self.of_worker):
            way.always = ""
            way.faults.clear()
        described = {"Upload-Length": "1", "Upload-Metadata": "keep dHJ1ZQ=="}
        kept = self.ask("POST", "/uploads/", headers=described).headers["Location"]
        wait_until(lambda: self.send(kept, b"x", 0).status_code == 204, what="the store to be asked again")
        for way in (self.of_web, self.of_worker):
            del way.log[:]

    def end(self) -> None:
        self.site.end()
        self.of_web.end()
        self.of_worker.end()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, redis: Redis, s3: S3) -> Iterator[World]:
    started = World(tmp_path_factory.mktemp("storage"), postgres, redis, s3)
    yield started
    started.end()


@pytest.fixture
def world(shared: World) -> World:
    shared.heal()
    return shared


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_sales(tmp_path / "sales.csv", 5_000_000)


def check_exact(world: World, path: Path) -> None:
    job = world.end_of_job()
    totals, rows, bad_rows = totals_by_csv(path)
    assert (job["status"], job["processedRows"], job["failedCount"]) == ("completed", rows, bad_rows)
    expected = "".join(f"{name},{total}\n" for name, total in totals.items())
    answer = world.ask("GET", f"/api/jobs/{job['jobId']}/result.csv")
    assert answer.text == f"Department Name,Total Number of Sales\n{expected}"


@pytest.mark.deep
def test_a_job_whose_worker_loses_the_store_goes_on_by_itself_and_is_exact(world: World, path: Path) -> None:
    """For longer than a job may fail: that the store is away is not its fault."""
    crashed = "SELECT count(*) FROM reports_attempt WHERE outcome = 'crashed' AND error LIKE 'StorageAway%'"
    with uploading(world.address, world.token, path, chunk=CHUNK) as uploader:
        uploader.upload(stop_at=path.stat().st_size // 2)
        done = "SELECT bytes_done FROM reports_job ORDER BY created_at DESC LIMIT 1"
        wait_until(lambda: world.site.query(done), what="the first window")
        world.of_worker.always = "reset"
        uploader.upload()
    before = world.site.query(done)
    wait_until(lambda: world.site.query(crashed) >= 4, what="four attempts", timeout=120)
    assert world.site.query(done) == before < path.stat().st_size
    world.of_worker.always = ""
    check_exact(world, path)


@pytest.mark.deep
def test_a_worker_whose_connections_break_now_and_then_does_not_even_stop(world: World, path: Path) -> None:
    world.of_worker.faults += ["break", "", "reset", "slow down", "", "break", "reset"]
    upload(world.address, world.token, path, chunk=CHUNK)
    check_exact(world, path)
    assert not world.of_worker.faults
    of_the_newest = "job_id = (SELECT id FROM reports_job ORDER BY created_at DESC LIMIT 1)"
    assert world.site.query(f"SELECT count(*) FROM reports_attempt WHERE error <> '' AND {of_the_newest}") == 0  # noqa: S608


@pytest.mark.deep
def test_windows_are_read_by_their_own_bytes(world: World, path: Path) -> None:
    upload(world.address, world.token, path, chunk=CHUNK)
    check_exact(world, path)
    reads = world.of_worker.asked("GET")
    size = path.stat().st_size
    # What follows a window's last whole record is read with the next one too, and a file's first bytes tell its kind.
    assert size <= sum(asked.sent for asked in reads) < 1.2 * size
    assert max(asked.sent for asked in reads) <= CHUNK


@pytest.mark.parametrize("fault", ["slow down", "denied", "reset"])
def test_a_chunk_that_cannot_be_stored_is_refused_for_the_moment_and_the_client_goes_on(
    world: World, path: Path, fault: str
) -> None:
    data = path.read_bytes()[:CHUNK]
    place = world.created(CHUNK)
    world.of_web.always = fault
    answer = world.send(place, data, 0)
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "storage_away", "5")
    assert world.ask("HEAD", place).headers["Upload-Offset"] == "0"
    ready = requests.get(f"{world.address}/readyz", timeout=60)
    assert (ready.status_code, "failing" in ready.text) == (503, True)
    world.of_web.always = ""
    # Not at once: a store that has just failed is left in peace for some seconds.
    wait_until(lambda: world.send(place, data, 0).status_code == 204, what="its turn")
    assert world.ask("HEAD", place).headers["Upload-Offset"] == str(CHUNK)
    folder = place.removeprefix("/")
    assert len([name for name in world.s3.object_names() if name.startswith(folder)]) == 1
    log = world.site.processes[0].output
    assert "S3 fails at" in log
    assert "InvalidAccessKeyId" in log or fault != "denied"
    assert "secret" not in log.replace("SECRET_KEY", "")


@pytest.mark.deep
def test_a_store_that_hangs_is_not_waited_for_for_ever(world: World) -> None:
    place = world.created(10)
    world.of_web.always = "hang"
    answer = world.send(place, b"0123456789", 0)
    # Three attempts of a second here, and what is between them.
    assert answer.elapsed.total_seconds() < 20
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_away")
    quick = world.send(place, b"0123456789", 0)
    assert quick.elapsed.total_seconds() < 3
    assert quick.status_code == 503
    assert requests.get(f"{world.address}/healthz", timeout=5).ok
    assert world.ask("HEAD", place).headers["Upload-Offset"] == "0"


def test_a_part_that_the_store_has_lost_fails_the_job_with_its_place_in_the_file(world: World, path: Path) -> None:
    data = path.read_bytes()[: 3 * CHUNK]
    place = world.created(len(data))
    # So long there is no window yet.
    for start in (0, CHUNK):
        assert wait_until(lambda: world.send(place, data[start : start + CHUNK], start).ok, what="a chunk")  # noqa: B023
    (lost,) = [name for name in world.s3.object_names() if name.startswith(f"{place[1:]}{CHUNK:020d}")]
    world.s3.client.delete_object(Bucket="salesagg", Key=lost)
    assert world.send(place, data[2 * CHUNK :], 2 * CHUNK).status_code == 204
    job = world.end_of_job()
    assert (job["status"], job["error"]["code"]) == ("failed", "upload_damaged")
    assert str(CHUNK) in job["error"]["detail"].replace(",", "")


@pytest.mark.deep
def test_a_program_that_is_sent_on_to_the_store_does_not_show_it_its_token(world: World, path: Path) -> None:
    upload(world.address, world.token, path, chunk=CHUNK)
    check_exact(world, path)
    (sent_on,) = [asked for asked in world.of_web.asked("GET") if "X-Amz-Signature" in asked.path]
    assert not sent_on.has_token
    address = f"{world.address}/api/jobs/{world.job()['jobId']}/result.csv"
    part = requests.get(address, headers={"Authorization": f"Bearer {world.token}", "Range": "bytes=0-9"}, timeout=20)
    assert (part.status_code, part.content) == (206, b"Department")
