"""gRPC while servers, workers and clients are killed, stopped and put to sleep, and the services behind go away."""

import json
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil
import psycopg
import pytest

from reports.rpc.stubs.sales_pb2 import (
    CancelJobRequest,
    DownloadRequest,
    JobStatusRequest,
    UploadRequest,
    UploadResponse,
    WatchJobRequest,
)
from tests.files import HEADER, totals_by_csv, write_sales
from tests.services import Postgres, Process, Redis, wait_until
from tests.services.processes import ROOT
from tests.services.rpc import LARGE_BYTES, Rpc, peak_bytes, pieces, refused_without_token
from tests.services.site import Site, services_site

# On a machine that has other things to do.
pytestmark = pytest.mark.timeout(240)
MESSAGE = 256 * 1024
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@dataclass
class File:
    path: Path
    result: str
    rows: int
    bad_rows: int


@dataclass
class Servers:
    """Processes that tests share, unless they end them."""

    site: Site
    token: str
    redis: Redis
    open: ExitStack
    workers: list[Process]
    rpc: Rpc
    process: Process

    def another(self) -> tuple[Rpc, Process]:
        rpc = Rpc(self.site.grpc(), self.token)
        self.open.callback(rpc.close)
        return rpc, self.site.processes[-1]

    def value(self, job: str, columns: str) -> Any:
        """Of a job and its upload."""
        tables = "reports_job JOIN uploads_upload ON uploads_upload.id = upload_id"
        return self.site.query(f"SELECT {columns} FROM {tables} WHERE reports_job.id = '{job}'")  # noqa: S608

    def latest(self) -> str:
        return str(self.site.query("SELECT id FROM reports_job ORDER BY created_at DESC LIMIT 1"))

    def received(self, job: str) -> int:
        return int(self.value(job, '"offset"'))

    def is_discarded(self, job: str) -> bool:
        """Whether nothing is left of a job's file, and the job is cancelled."""
        upload = self.value(job, "upload_id")
        folder = self.site.folder / "data" / "files" / "uploads" / str(upload)
        left = [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
        return not left and self.value(job, "reports_job.status || state") == "cancelledcancelled"


class Sending:
    """An upload that sends what it is told to."""

    def __init__(self, servers: Servers, rpc: Rpc, file: File) -> None:
        self._servers = servers
        self._left = pieces(file.path, MESSAGE)
        self._messages: queue.SimpleQueue[UploadRequest | None] = queue.SimpleQueue()
        self.call = rpc.upload(iter(self._messages.get, None))

    @property
    def job(self) -> str:
        return str(dict(self.call.initial_metadata())["salesagg-job-id"])

    def send(self, count: int) -> None:
        for _ in range(count):
            self._messages.put(next(self._left))

    def send_and_wait(self, count: int) -> None:
        """So many, until all whole parts of them are stored."""
        self.send(count)
        before = count * MESSAGE // (4 << 20) * (4 << 20)
        wait_until(lambda: self._servers.received(self.job) >= before, what=f"{before} bytes")

    def send_rest(self) -> None:
        for message in self._left:
            self._messages.put(message)
        self.end()

    def end(self) -> None:
        self._messages.put(None)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Servers]:
    """Windows small enough that work is going on during an upload, and leases that run out soon."""
    env = {"WINDOW_BYTES": str(1 << 20), "LEASE_SECONDS": "2", "SWEEP_SECONDS": "0.5"}
    with ExitStack() as stack:
        redis = Redis(tmp_path_factory.mktemp("redis"))
        stack.callback(redis.end)
        site = services_site(tmp_path_factory.mktemp("site"), postgres, redis, env=env)
        stack.callback(site.end)
        token = site.prepare()
        workers = site.workers(2, "--concurrency=1")
        rpc = Rpc(site.grpc(), token)
        stack.callback(rpc.close)
        yield Servers(site, token, redis, stack, workers, rpc, site.processes[-1])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> File:
    path = write_sales(tmp_path_factory.mktemp("files") / "sales.csv", 12_000_000)
    totals, rows, bad_rows = totals_by_csv(path)
    lines = "".join(f"{name},{total}\n" for name, total in totals.items())
    return File(path, f"Department Name,Total Number of Sales\n{lines}", rows, bad_rows)


def check_exact(rpc: Rpc, job: str, file: File) -> None:
    status = rpc.call("GetJobStatus", JobStatusRequest(job_id=job))
    assert (status.status, status.total_rows, status.failed_count) == ("completed", file.rows, file.bad_rows)
    assert rpc.call("DownloadResult", DownloadRequest(result_id=job)).data.decode() == file.result


def check_answer(rpc: Rpc, answer: UploadResponse, file: File) -> None:
    assert (answer.rows, answer.bad_rows) == (file.rows, file.bad_rows)
    check_exact(rpc, answer.result_id, file)


def watch_to_the_end(rpc: Rpc, job: str) -> str:
    call = rpc.call("WatchJob", WatchJobRequest(job_id=job))
    return [str(told.status) for told in call][-1]


def client(servers: Servers, file: File) -> "subprocess.Popen[str]":
    """A program that takes some seconds over its upload."""
    command = [sys.executable, "-m", "tests.services.rpc", servers.rpc.address, servers.token, str(file.path)]
    started = subprocess.Popen(
        [*command, f"--message={MESSAGE}", "--pause=0.05"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdin
    started.stdin.write("\n")
    started.stdin.flush()
    return started


def upload_of(servers: Servers, before: str) -> str:
    """The job of a client that has just begun, which has sent a part."""
    job = wait_until(lambda: (latest := servers.latest()) != before and latest, what="the job")
    assert isinstance(job, str)
    wait_until(lambda: servers.received(job), what="a part")
    return job


def test_an_upload_whose_server_is_killed_is_repeated_at_another(servers: Servers, file: File) -> None:
    doomed, process = servers.another()
    sending = Sending(servers, doomed, file)
    sending.send_and_wait(20)
    job = sending.job
    process.signal_group(signal.SIGKILL)
    with pytest.raises(grpc.RpcError) as raised:
        sending.call.result()
    sending.end()
    assert raised.value.code() is UNAVAILABLE
    check_answer(servers.rpc, servers.rpc.upload(pieces(file.path, MESSAGE)).result(), file)
    # Nobody was left to cancel the first.
    status = servers.rpc.call("GetJobStatus", JobStatusRequest(job_id=job))
    assert (status.state, status.HasField("total_rows")) == ("uploading", False)
    servers.rpc.call("CancelJob", CancelJobRequest(job_id=job))
    assert watch_to_the_end(servers.rpc, job) == "cancelled"


@pytest.mark.deep
def test_an_upload_waits_for_its_result_although_the_worker_is_killed(
    servers: Servers, file: File, tmp_path: Path
) -> None:
    path = write_sales(tmp_path / "large.csv", 60_000_000)
    totals, rows, bad_rows = totals_by_csv(path)
    lines = "".join(f"{name},{total}\n" for name, total in totals.items())
    large = File(path, f"Department Name,Total Number of Sales\n{lines}", rows, bad_rows)
    sending = Sending(servers, servers.rpc, large)
    sending.send_rest()
    wait_until(lambda: servers.value(sending.job, "bytes_done"), what="progress")
    held_by = "SELECT worker FROM reports_attempt WHERE ended_at IS NULL"
    worker = wait_until(lambda: servers.site.query(held_by), what="a worker")
    [killed] = [process for process in servers.workers if worker.endswith(f":{process.pid}")]
    killed.signal_group(signal.SIGKILL)
    servers.workers.remove(killed)
    check_answer(servers.rpc, sending.call.result(), large)
    lost = "SELECT count(*) FROM reports_attempt WHERE outcome = 'lost' AND job_id = '{}'"
    assert servers.site.query(lost.format(sending.job)) == 1


@pytest.mark.deep
def test_a_server_that_is_asked_to_stop_takes_the_rest_of_an_upload_and_lets_go_of_who_waits(
    servers: Servers, file: File
) -> None:
    leaving, process = servers.another()
    sending = Sending(servers, leaving, file)
    sending.send_and_wait(20)
    job = sending.job
    watching = leaving.call("WatchJob", WatchJobRequest(job_id=job))
    assert next(watching).state == "uploading"
    os.kill(process.pid, signal.SIGTERM)
    began = time.monotonic()
    with pytest.raises(grpc.RpcError) as raised:
        list(watching)
    assert raised.value.code() is UNAVAILABLE
    assert time.monotonic() - began < 5
    elsewhere = servers.rpc.call("WatchJob", WatchJobRequest(job_id=job))
    assert next(elsewhere).state == "uploading"
    sending.send_rest()
    # The file is taken; what is made of it is asked for elsewhere.
    with pytest.raises(grpc.RpcError) as raised:
        sending.call.result()
    assert raised.value.code() is UNAVAILABLE
    assert "the job goes on" in str(raised.value.details())
    assert [told.status for told in elsewhere][-1] == "completed"
    check_exact(servers.rpc, job, file)
    assert process.wait(timeout=20) == 0


def test_of_a_client_that_is_killed_nothing_is_left(servers: Servers, file: File) -> None:
    before = servers.latest()
    with client(servers, file) as started:
        job = upload_of(servers, before)
        started.kill()
    wait_until(lambda: servers.is_discarded(job), what="the end of the upload")
    assert servers.received(job) < file.path.stat().st_size


@pytest.mark.deep
def test_a_client_that_sleeps_holds_nobody_up_and_goes_on_when_it_wakes(servers: Servers, file: File) -> None:
    before = servers.latest()
    with client(servers, file) as started:
        job = upload_of(servers, before)
        started.send_signal(signal.SIGSTOP)
        for _ in range(3):
            check_answer(servers.rpc, servers.rpc.upload(pieces(file.path, MESSAGE)).result(), file)
        assert servers.value(job, "state") == "receiving"
        started.send_signal(signal.SIGCONT)
        told, _ = started.communicate(timeout=60)
    [answer] = json.loads(told.splitlines()[-1])
    assert answer["id"] == job
    check_exact(servers.rpc, job, file)


@pytest.mark.deep
def test_a_client_that_does_not_read_costs_the_server_no_memory(servers: Servers, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    row = f"Department,2024-01-01,{'many ' * 100}\n"
    path.write_text(HEADER + row * 120_000)
    answer = servers.rpc.upload(pieces(path, MESSAGE)).result()
    server = psutil.Process(servers.process.pid)
    before = server.memory_info().rss
    request = DownloadRequest(result_id=answer.result_id, file="errors.csv")
    reading = servers.rpc.call("StreamResult", request)
    size, most = len(next(reading).data), 0
    # Others are served meanwhile; the server has every opportunity to read on.
    for _ in range(100):
        servers.rpc.call("GetJobStatus", JobStatusRequest(job_id=answer.result_id))
        most = max(most, server.memory_info().rss)
    assert most - before < path.stat().st_size // 3
    size += sum(len(piece.data) for piece in reading)
    assert size > path.stat().st_size


def cut_off_the_database(site: Site) -> None:
    site.query(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


@pytest.mark.deep
def test_an_upload_that_rests_while_the_database_goes_away_goes_on(servers: Servers, file: File) -> None:
    sending = Sending(servers, servers.rpc, file)
    sending.send_and_wait(20)
    cut_off_the_database(servers.site)
    sending.send_rest()
    check_answer(servers.rpc, sending.call.result(), file)


@pytest.mark.deep
def test_of_an_upload_that_the_database_leaves_in_the_lurch_there_is_all_or_nothing(
    servers: Servers, file: File
) -> None:
    before = servers.latest()
    call = servers.rpc.upload(pieces(file.path, MESSAGE))
    with psycopg.connect(servers.site.env["DATABASE_URL"], autocommit=True) as connection:
        while not call.done():
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
            )
            if servers.latest() != before and servers.value(servers.latest(), "state") == "complete":
                break
    if call.exception() is None:
        check_answer(servers.rpc, call.result(), file)
        return
    assert call.code() is UNAVAILABLE
    job = servers.latest()
    if job != before and servers.value(job, "reports_job.status") == "completed":
        # The file was there, and the answer was lost.
        check_exact(servers.rpc, job, file)
    check_answer(servers.rpc, servers.rpc.upload(pieces(file.path, MESSAGE)).result(), file)


@pytest.mark.deep
@pytest.mark.parametrize("fault", [signal.SIGSTOP, signal.SIGKILL], ids=["hanging", "down"])
def test_without_redis_an_upload_has_its_result_and_watching_finds_the_end(
    fault: signal.Signals, servers: Servers, file: File
) -> None:
    sending = Sending(servers, servers.rpc, file)
    sending.send_and_wait(20)
    job = sending.job
    watching = servers.rpc.call("WatchJob", WatchJobRequest(job_id=job))
    assert next(watching).state == "uploading"
    servers.redis.process.signal_group(fault)
    try:
        sending.send_rest()
        answer = sending.call.result()
        assert [told.status for told in watching][-1] == "completed"
    finally:
        servers.redis.process.signal_group(signal.SIGCONT)
        if fault is signal.SIGKILL:
            servers.redis.start()
    check_answer(servers.rpc, answer, file)


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, None], ids=["packed", "plain"])
def test_large_message_without_a_token_costs_the_server_no_memory(
    servers: Servers, compression: grpc.Compression | None
) -> None:
    rpc, process = servers.another()
    # The server is warm.
    status = refused_without_token(rpc.address, "/sales.v1.SalesService/Nothing")
    assert status == "UNIMPLEMENTED"
    before = peak_bytes(process.pid)
    for method in ("GetJobStatus", "UploadCSV", "WatchJob"):
        status = refused_without_token(rpc.address, f"/sales.v1.SalesService/{method}", compression=compression)
        assert status == "UNAUTHENTICATED"
    assert peak_bytes(process.pid) - before < LARGE_BYTES
