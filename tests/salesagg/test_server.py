"""The one-process server, as `make run` starts it: a real one, spoken to over its port."""

import contextlib
import http.client
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from salesagg.health import CHECKS
from tests.services import Process, free_port, wait_until

MIB = 1024 * 1024


class Server:
    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        env = {
            "DATA_DIR": str(folder / "data"),
            "PORT": str(port),
            "SECRET_KEY": "",
            "DATABASE_URL": "",
            "REDIS_URL": "",
        }
        self.process = Process([sys.executable, "manage.py", "serve"], env=env, log=folder / "serve.log")

    def wait(self) -> "Server":
        self.process.wait_for_output("Salesagg is at")
        self.process.wait_for_port(self.port)
        return self

    @contextlib.contextmanager
    def connect(self) -> Iterator[http.client.HTTPConnection]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            yield connection


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    served = Server(tmp_path_factory.mktemp("server"), free_port()).wait()
    yield served
    served.process.end()


def answer(connection: http.client.HTTPConnection) -> tuple[int, dict[str, object]]:
    with connection.getresponse() as response:
        return response.status, json.loads(response.read())


def test_it_prints_its_address_and_answers(server: Server) -> None:
    assert f"http://localhost:{server.port}" in server.process.output
    with server.connect() as connection:
        connection.request("GET", "/readyz")
        assert answer(connection) == (200, dict.fromkeys(CHECKS, "ok"))


@pytest.mark.parametrize("path", ["/", "/uploads/", "/no/such/page", "/static/x.js", "/accounts/login/"])
def test_a_body_over_the_cap_is_refused_by_its_length_before_it_is_sent(server: Server, path: str) -> None:
    with server.connect() as connection:
        connection.putrequest("POST", path)
        connection.putheader("Content-Length", str(33 * MIB))
        connection.endheaders()
        status, problem = answer(connection)
    assert (status, problem["code"]) == (413, "body_too_large")


def test_a_browser_is_told_so_in_a_page(server: Server) -> None:
    with server.connect() as connection:
        connection.putrequest("POST", "/account/")
        connection.putheader("Content-Length", str(33 * MIB))
        connection.putheader("Accept", "text/html,*/*")
        connection.endheaders()
        with connection.getresponse() as response:
            assert response.status == 413
            assert "default-src 'none'" in (response.getheader("Content-Security-Policy") or "")
            assert "sends them in pieces" in response.read().decode()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_huge_body_is_cut_off_while_it_is_sent_and_not_kept_in_memory(server: Server, chunked: bool) -> None:
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    piece = b"x" * MIB
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (256 * MIB)
        raw.sendall(b"PUT /anything HTTP/1.1\r\nHost: localhost\r\n" + length + b"\r\n\r\n")
        with pytest.raises(ConnectionError):
            for _ in range(256):
                raw.sendall(b"%x\r\n%s\r\n" % (MIB, piece) if chunked else piece)
    # Of 256 MiB. A chunked body may be held up to the cap; and the worker may be loading its kernel meanwhile.
    assert process.memory_info().rss - before < 96 * MIB
    with server.connect() as connection:
        connection.request("GET", "/healthz")
        with connection.getresponse() as response:
            assert response.status == 200


def test_a_chunked_body_over_the_cap_is_told_so(server: Server) -> None:
    with server.connect() as connection:
        connection.putrequest("POST", "/uploads/")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        for _ in range(33):
            connection.send(b"%x\r\n%s\r\n" % (MIB, b"x" * MIB))
        status, problem = answer(connection)
    assert (status, problem["code"]) == (413, "body_too_large")


def test_a_body_at_the_cap_gets_through(server: Server) -> None:
    with server.connect() as connection:
        connection.request("POST", "/uploads/", body=b"x" * (32 * MIB), headers={"Authorization": "Bearer wrong"})
        status, problem = answer(connection)
    assert (status, problem["code"]) == (401, "unauthorized")


def test_a_form_that_cannot_be_parsed_is_answered_by_us(server: Server) -> None:
    form = {"Authorization": "Bearer wrong", "Content-Type": "multipart/form-data; boundary=x"}
    with server.connect() as connection:
        connection.request("POST", "/api/files", body=b"--x--\r\n", headers=form)
        status, problem = answer(connection)
    assert (status, problem["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_a_signal_and_starts_again_on_the_same_data(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    first = Server(tmp_path, port).wait()
    os.kill(first.process.pid, number)
    assert first.process.wait(timeout=10) == 0
    key = (tmp_path / "data" / "secret_key").read_text()
    second = Server(tmp_path, port).wait()
    second.process.end()
    assert (tmp_path / "data" / "secret_key").read_text() == key


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_obeyed_also_before_the_server_is_up(tmp_path: Path, number: signal.Signals) -> None:
    starting = Server(tmp_path, free_port())
    starting.process.wait_for_output("Salesagg is at")
    os.kill(starting.process.pid, number)
    assert starting.process.wait(timeout=10) == 0
    assert "Traceback" not in starting.process.output


def test_a_port_that_is_taken_is_said_with_what_to_do(server: Server, tmp_path: Path) -> None:
    refused = Server(tmp_path, server.port)
    assert refused.process.wait(timeout=60) == 1
    assert f"Port {server.port} is taken" in refused.process.output


def test_addresses_of_services_are_refused(tmp_path: Path) -> None:
    env = {"DATABASE_URL": "postgres://db/sales", "REDIS_URL": "redis://cache", "SECRET_KEY": "x"}
    refused = Process([sys.executable, "manage.py", "serve"], env=env, log=tmp_path / "log")
    assert refused.wait(timeout=60) == 1
    assert "celery -A salesagg worker" in refused.output


def test_second_server_on_a_data_folder_says_that_it_is_in_use(tmp_path: Path) -> None:
    # Both at once, on a folder that neither has set up.
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
        (folder / "data").symlink_to(tmp_path / "shared", target_is_directory=True)
    (tmp_path / "shared").mkdir()
    both = [Server(folder, free_port()) for folder in folders]
    refused = wait_until(
        lambda: [server for server in both if server.process.returncode is not None], what="one to be refused"
    )
    [served] = [server for server in both if server not in refused]
    served.wait()
    try:
        assert refused[0].process.returncode == 1
        assert "is in use by another Salesagg" in refused[0].process.output
        assert f"process {served.process.pid}" in refused[0].process.output
        assert "Traceback" not in refused[0].process.output
    finally:
        served.process.end()
    # The lock ends with its process, however that ended.
    again = Server(tmp_path / "one", free_port()).wait()
    again.process.signal_group(signal.SIGKILL)
    again.process.wait(timeout=10)
    Server(tmp_path / "other", free_port()).wait().process.end()
