"""gRPC as it is run: beside the web in the one process, and from processes of its own; and the guide's program."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import requests
import yaml
from grpc import StatusCode

from reports.rpc.stubs.sales_pb2 import JobStatusRequest, UploadRequest, WatchJobRequest
from tests.files import totals_by_csv, write_sales
from tests.services import Postgres, Process, Redis, free_port
from tests.services.processes import ROOT
from tests.services.rpc import Rpc, pieces
from tests.services.site import Site, services_site

SMALL = b"Department,Sales\nToys,3\nBooks,4\n"
GUIDE = (ROOT / "docs" / "grpc.md").read_text()


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sales(tmp_path_factory.mktemp("sales") / "sales.csv", 6_000_000)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """In one process, gRPC with it."""
    port = str(free_port())
    started = Site(tmp_path_factory.mktemp("one"), GRPC_PORT=port, WINDOW_BYTES=str(1 << 20))
    yield started
    started.end()


@pytest.fixture(scope="module")
def token(site: Site) -> str:
    return site.prepare()


@pytest.fixture(scope="module")
def address(site: Site, token: str) -> str:
    """Of the web."""
    return site.serve()


@pytest.fixture(scope="module")
def target(site: Site, address: str) -> str:
    """Of gRPC."""
    return f"127.0.0.1:{site.env['GRPC_PORT']}"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Processes that share PostgreSQL and Redis."""
    postgres, redis = Postgres(tmp_path_factory.mktemp("postgres")), Redis(tmp_path_factory.mktemp("redis"))
    started = services_site(tmp_path_factory.mktemp("many"), postgres, redis, env={"WINDOW_BYTES": str(1 << 20)})
    yield started
    started.end()
    redis.end()
    postgres.end()


@pytest.fixture(scope="module")
def services_token(services: Site) -> str:
    return services.prepare()


class Held:
    """A small file of which the end is held back."""

    def __init__(self) -> None:
        self._go = threading.Event()

    def go(self) -> None:
        self._go.set()

    def messages(self) -> Iterator[UploadRequest]:
        yield UploadRequest(data=SMALL[:20], filename="held.csv")
        self._go.wait(60)
        yield UploadRequest(data=SMALL[20:])


@pytest.fixture
def held() -> Iterator[Held]:
    made = Held()
    yield made
    made.go()


def job_of(call: grpc.Call) -> str:
    return str(dict(call.initial_metadata() or ())["salesagg-job-id"])


def expected_csv(path: Path) -> str:
    totals, _rows, _bad_rows = totals_by_csv(path)
    return "Department Name,Total Number of Sales\n" + "".join(f"{name},{total}\n" for name, total in totals.items())


def run_the_guides_program(folder: Path, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """It and its client, made in `folder` as the guide says."""
    command, program = (
        re.search(rf"^```{kind}\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE) for kind in ("sh", "python")
    )
    assert command
    assert program
    (folder / "program.py").write_text(program[1])
    proto = ROOT / "proto" / "sales" / "v1"
    words = command[1].replace("-Iproto/sales/v1", f"-I{proto}").split()
    assert words[0] == "python"
    subprocess.run([sys.executable, *words[1:]], cwd=folder, check=True, timeout=60)
    return subprocess.run(
        [sys.executable, "program.py", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_program_in_the_guide_sends_a_file_watches_it_and_has_the_totals(
    target: str, token: str, sales: Path, tmp_path: Path
) -> None:
    done = run_the_guides_program(tmp_path, str(sales), "totals.csv", SALESAGG_GRPC=target, SALESAGG_TOKEN=token)
    assert done.returncode == 0, done.stderr
    totals, rows, bad = totals_by_csv(sales)
    whole = sum(totals.values())
    assert done.stdout == f"{rows} rows, {bad} of them bad, {len(totals)} departments, {whole} in all\n"
    assert (tmp_path / "totals.csv").read_text() == expected_csv(sales)
    told = done.stderr.splitlines()
    assert told[-1] == f"done_with_rejects: {sales.stat().st_size} bytes, {rows} rows"


def test_and_says_why_it_was_refused(target: str, sales: Path, tmp_path: Path) -> None:
    done = run_the_guides_program(tmp_path, str(sales), "totals.csv", SALESAGG_GRPC=target, SALESAGG_TOKEN="wrong")
    assert done.returncode == 1
    assert done.stderr.startswith("UNAUTHENTICATED: ")
    assert done.stderr.endswith("reason: unauthorized\n")


def test_what_is_sent_by_grpc_is_seen_by_the_api_in_the_same_process(address: str, target: str, token: str) -> None:
    rpc = Rpc(target, token)
    answer = rpc.call("UploadCSV", iter([UploadRequest(data=SMALL, filename="small.csv")]))
    headers = {"Authorization": f"Bearer {token}"}
    job = requests.get(f"{address}/api/jobs/{answer.result_id}", headers=headers, timeout=20).json()
    assert (job["status"], job["total"], job["fileName"]) == ("completed", answer.total, "small.csv")
    # Its download's address, which is the web's.
    assert answer.download_url.startswith(f"{address}/")
    assert requests.get(answer.download_url, timeout=20).text.endswith("Books,4\nToys,3\n")
    rpc.close()


@pytest.mark.deep
def test_one_process_ends_in_moments_also_while_it_is_watched_and_sent_to(tmp_path: Path, held: Held) -> None:
    site, port = Site(tmp_path), str(free_port())
    token = site.prepare()
    site.serve(GRPC_PORT=port)
    process = site.processes[-1]
    rpc = Rpc(f"127.0.0.1:{port}", token)
    upload = rpc.upload(held.messages())
    watching = rpc.call("WatchJob", WatchJobRequest(job_id=job_of(upload)))
    assert next(watching).state == "uploading"
    os.kill(process.pid, signal.SIGTERM)
    with pytest.raises(grpc.RpcError) as caught:
        list(watching)
    assert caught.value.code() is StatusCode.UNAVAILABLE
    assert process.wait(timeout=5) == 0
    assert upload.code() is StatusCode.UNAVAILABLE
    assert "Traceback" not in process.output
    rpc.close()
    # What had come of the file is gone, its job cancelled.
    site.serve(GRPC_PORT=port)
    after = Rpc(f"127.0.0.1:{port}", token)
    assert after.call("GetJobStatus", JobStatusRequest(job_id=job_of(upload))).state == "cancelled"
    after.close()
    site.end()


@pytest.mark.deep
def test_processes_of_their_own_share_the_work_and_end_in_order(
    services: Site, services_token: str, sales: Path, held: Held
) -> None:
    services.worker("--concurrency=1")
    first, second = (Rpc(services.grpc(), services_token) for _ in range(2))
    first_process, second_process = services.processes[-2:]

    # One takes the file, another tells of its job.
    upload = first.upload(pieces(sales, 100_000))
    states = list(second.call("WatchJob", WatchJobRequest(job_id=job_of(upload))))
    answer = upload.result()
    totals, rows, bad = totals_by_csv(sales)
    assert (answer.rows, answer.bad_rows, answer.total) == (rows, bad, str(sum(totals.values())))
    assert [state.version for state in states] == sorted({state.version for state in states})
    assert (states[-1].status, states[-1].processed_rows) == ("completed", rows)

    # What only waits ends at once; what sends comes to its end.
    upload = first.upload(held.messages())
    watching = first.call("WatchJob", WatchJobRequest(job_id=job_of(upload)))
    next(watching)
    os.kill(first_process.pid, signal.SIGTERM)
    with pytest.raises(grpc.RpcError) as caught:
        list(watching)
    assert caught.value.code() is StatusCode.UNAVAILABLE
    assert upload.running()
    held.go()
    assert first_process.wait(timeout=8) == 0
    assert upload.details() == caught.value.details()
    # The job went on, and is asked for elsewhere.
    *_, last = second.call("WatchJob", WatchJobRequest(job_id=job_of(upload)))
    assert (last.status, last.total) == ("completed", "7")
    assert "Traceback" not in first_process.output

    # With nothing to wait for, it does not wait.
    began = time.monotonic()
    os.kill(second_process.pid, signal.SIGINT)
    assert second_process.wait(timeout=8) == 0
    assert time.monotonic() - began < 2
    first.close()
    second.close()


@pytest.mark.deep
def test_a_second_signal_ends_it_at_once(services: Site, services_token: str, held: Held) -> None:
    rpc = Rpc(services.grpc(), services_token)
    process = services.processes[-1]
    upload = rpc.upload(held.messages())
    job_of(upload)
    os.kill(process.pid, signal.SIGTERM)
    process.wait_for_output("stopping; calls under way")
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=5) == 1
    rpc.close()


@pytest.mark.deep
def test_a_signal_is_obeyed_also_while_it_starts(site: Site, address: str) -> None:
    process = site.start("manage.py", "grpcserver", GRPC_PORT=str(free_port()))
    process.wait_for_output("Without DATABASE_URL and REDIS_URL")
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=10) == 0
    assert "Traceback" not in process.output


def refused(site: Site, command: str, **env: str) -> str:
    """What `command` says as it ends."""
    process: Process = site.start("manage.py", command, **env)
    assert process.wait(timeout=60) == 1
    assert "Traceback" not in process.output
    return process.output


@pytest.mark.deep
def test_a_port_that_is_taken_is_said_with_what_to_do(site: Site, target: str) -> None:
    port = site.env["GRPC_PORT"]
    assert f"Port {port} is taken. Choose another: GRPC_PORT=" in refused(site, "grpcserver")
    assert f"Port {port} is taken. Choose another: make run GRPC_PORT=" in refused(site, "serve", PORT=str(free_port()))


@pytest.mark.deep
def test_so_is_an_address_of_another_machine(site: Site, address: str) -> None:
    output = refused(site, "grpcserver", GRPC_HOST="192.0.2.7", GRPC_PORT=str(free_port()))
    assert "gRPC cannot listen on 192.0.2.7" in output


@pytest.mark.deep
@pytest.mark.parametrize("command", ["serve", "grpcserver"])
def test_so_are_settings_for_encryption_that_do_not_fit(site: Site, address: str, command: str) -> None:
    env = {"PORT": str(free_port()), "GRPC_PORT": str(free_port()), "GRPC_TLS_CERTIFICATE": "/no/such/file.pem"}
    assert "GRPC_TLS_KEY is not set" in refused(site, command, **env)


@pytest.mark.deep
def test_so_is_a_database_of_another_version(tmp_path: Path) -> None:
    assert "python manage.py migrate" in refused(Site(tmp_path), "grpcserver", GRPC_PORT=str(free_port()))


def test_its_health_is_asked_as_the_container_does(target: str) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    kind, program, *arguments = compose["services"]["grpc"]["healthcheck"]["test"]
    assert (kind, program, arguments.pop()) == ("CMD", "python", "127.0.0.1:50051")

    def ask(address: str) -> int:
        return subprocess.run([sys.executable, *arguments, address], cwd=ROOT, check=False, timeout=30).returncode

    assert ask(target) == 0
    assert ask(f"127.0.0.1:{free_port()}") == 1
