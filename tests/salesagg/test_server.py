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
        connection.putheader("Authorization", "Bearer wrong")
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


def talk(port: int, *messages: bytes) -> bytes:
    """What the server answers until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for message in messages:
            connection.sendall(message)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return answer


HOST = b"Host: localhost\r\n"
TOO_LARGE = {
    "a long header": (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 20_000 + b"\r\n\r\n", 431),
    "a header without an end": (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 20_000, 431),
    "large headers": (b"GET / HTTP/1.1\r\n" + HOST + (b"X: " + b"x" * 900 + b"\r\n") * 30, 431),
    "many headers": (b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"X%d: 1\r\n" % n for n in range(600)) + b"\r\n", 431),
    "a long URL": (b"GET /healthz?" + b"x" * 9_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "a longer URL": (b"GET /healthz?" + b"x" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "a URL without an end": (b"GET /" + b"x" * 20_000, 414),
    "a method alone": (b"GET\r\n\r\n", 400),
    "bytes of another protocol": (b"\x16\x03\x01\x02\x00\x01\xfc\r\n\r\n", 400),
    "a header without a colon": (b"GET / HTTP/1.1\r\n" + HOST + b"nothing\r\n\r\n", 400),
    "a header's name with spaces": (b"GET / HTTP/1.1\r\n" + HOST + b"a b: 1\r\n\r\n", 400),
    "a control character": (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n", 400),
    "a length that is none": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: x\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    "a malformed chunk": (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "another transfer encoding": (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 400),
    "a URL of another site": (b"GET http://evil.example/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "bytes beyond ASCII in a URL": (b"GET /?\xff HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a protocol of a socket that is none": (
        b"GET /ws/jobs/ HTTP/1.1\r\n" + HOST + b"Origin: http://localhost\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Protocol: \xff\r\n\r\n",
        400,
    ),
}  # fmt: skip
CODES = {400: "bad_request", 414: "url_too_long", 431: "headers_too_large"}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_cannot_be_read_is_answered_with_a_sentence(server: Server, name: str) -> None:
    message, status = TOO_LARGE[name]
    head, _line, body = talk(server.port, message).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in head
    assert b"X-Request-ID: " in head
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (status, CODES[status])
    assert problem["detail"].endswith(".")
    assert len(body) == int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])


@pytest.mark.parametrize(
    ("start", "status", "title"),
    [
        (b"GET /?" + b"x" * 9_000, 414, "<title>414 – Salesagg</title>"),
        (b"POST /account/", 413, "<h1>Das war zu viel auf einmal</h1>"),
        (b"GET /", 431, "<title>431 – Salesagg</title>"),
    ],
)
def test_a_browser_gets_a_page_in_its_language(server: Server, start: bytes, status: int, title: str) -> None:
    headers = HOST + b"Accept: text/html,*/*\r\nAccept-Language: de\r\nReferer: http://localhost/\r\n"
    more = {413: b"Content-Length: %d\r\n" % (33 * MIB), 431: b"X: " + b"x" * 20_000 + b"\r\n"}.get(status, b"")
    head, _line, body = talk(server.port, start + b" HTTP/1.1\r\n" + headers + more + b"\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"default-src 'none'" in head
    assert b'<html lang="de">' in body
    assert title in body.decode()


def test_a_bad_request_behind_a_good_one_is_answered_too(server: Server) -> None:
    good = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    answer = talk(server.port, good + b"GET /?" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.count(b"HTTP/1.1 414 ") == 1


@pytest.mark.parametrize("path", ["/accounts/login/", "/uploads/", "/api/jobs/upload", "/nothing"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_does_not_say_who_it_is_sends_little(server: Server, path: str, chunked: bool) -> None:
    with server.connect() as connection:
        connection.putrequest("POST", path)
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders()
            connection.send(b"%x\r\n%s\r\n" % (MIB, b"x" * MIB))
        else:
            connection.putheader("Content-Length", str(MIB))
            connection.endheaders()
        with connection.getresponse() as response:
            problem = json.loads(response.read())
            assert (response.status, problem["code"]) == (401, "unauthorized")
            assert response.getheader("WWW-Authenticate") == 'Bearer realm="salesagg"'
            assert response.getheader("Tus-Resumable") == ("1.0.0" if path == "/uploads/" else None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", "/api/jobs"), ("HEAD", "/uploads/"), ("DELETE", "/uploads/x/"), ("POST", "/accounts/login/")),
        *(("PUT", "/api/customers/1"), ("POST", "/account/"), ("OPTIONS", "/uploads/"), ("GET", "/ws/jobs/")),
    ],
)
def test_a_path_that_takes_no_file_takes_no_large_body(server: Server, method: str, path: str) -> None:
    message = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\nContent-Length: {9 * MIB}\r\n\r\n"
    )
    head, _line, body = talk(server.port, message.encode()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body)["code"] == "body_too_large"


def test_a_login_without_a_token_has_the_version_of_tus(server: Server) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        with server.connect() as connection:
            connection.request("POST", "/uploads/", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "1", **headers})
            with connection.getresponse() as response:
                assert response.status in (401, 403)
                assert response.getheader("Tus-Resumable") == "1.0.0"
