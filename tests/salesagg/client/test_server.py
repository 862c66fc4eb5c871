"""The client and servers that behave badly: a real connection, a server of the test's own."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from urllib3.connection import HTTPConnection, HTTPSConnection

from salesagg.client import following, patience, sending
from salesagg.client.errors import Refused
from salesagg.client.following import follow
from salesagg.client.patience import Patience
from salesagg.client.server import Server

Answer = Callable[[BaseHTTPRequestHandler], None]
JOB = "00000000-0000-4000-8000-000000000000"


def as_json(told: Any, *, status: int = 200) -> Answer:
    def send(handler: BaseHTTPRequestHandler) -> None:
        body = json.dumps(told).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return send


def as_bytes(body: bytes, *, announced: int | None = None, status: int = 200, **headers: str) -> Answer:
    """The connection ends with the body, which may be shorter than was announced."""

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if announced is None else announced))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return send


class Site:
    """Answers the requests for each path in turn, the last answer again and again."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.command, self.path, self.headers["Authorization"]))
                answers = site.answers[self.path]
                (answers.pop(0) if len(answers) > 1 else answers[0])(self)

            def log_message(self, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.01])
        self._thread.start()

    def end(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.end()


@pytest.fixture
def server(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(patience, "_FIRST_DELAY", 0.001)
    with Server(site.url, "salesagg_x", patience=Patience(20, say=lambda text: None)) as server:
        yield server


def job(status: str) -> dict[str, Any]:
    return {"jobId": JOB, "status": status, "uploadedBytes": 1, "processedBytes": 1, "processedRows": 1}


def event(name: str, told: Any) -> bytes:
    return f"id: 1\nevent: {name}\ndata: {json.dumps(told)}\n\n".encode()


def test_the_token_comes_with_every_request(site: Site, server: Server) -> None:
    site.answers["/api/jobs?limit=1"] = [as_json({"items": []})]
    server.get("jobs", limit=1)
    assert site.asked == [("GET", "/api/jobs?limit=1", "Bearer salesagg_x")]


def test_what_fails_for_a_moment_is_asked_again(site: Site, server: Server) -> None:
    site.answers["/api/jobs"] = [as_json({}, status=503), as_bytes(b"", announced=9), as_json({"items": [1]})]
    assert server.get("jobs") == {"items": [1]}


def test_a_download_that_breaks_is_begun_anew(site: Site, server: Server) -> None:
    site.answers["/api/jobs/1/result.csv"] = [as_bytes(b"half of", announced=14), as_bytes(b"all of it")]
    out = io.BytesIO()
    server.download("jobs/1/result.csv", out)
    assert out.getvalue() == b"all of it"


def test_where_a_site_has_moved_is_learned_once(site: Site, server: Server) -> None:
    other = Site()
    try:
        site.answers["/api/limits"] = [as_bytes(b"", status=308, Location=f"{other.url}/api/limits")]
        other.answers["/api/limits"] = [as_json({"chunkBytes": 1})]
        server.limits()
        assert server.url == other.url
    finally:
        other.end()


def test_a_page_is_no_answer(site: Site, server: Server) -> None:
    site.answers["/api/limits"] = [as_bytes(b"<html>Welcome</html>")]
    with pytest.raises(Refused, match="no Salesagg at"):
        server.limits()


def test_a_job_is_followed_by_its_events(site: Site, server: Server) -> None:
    told: list[Any] = []
    stream = b"retry: 2000\n\n" + event("snapshot", job("pending")) + b": heartbeat\n\n"
    stream += event("progress", job("processing")) + event("completed", job("completed"))
    site.answers[f"/api/jobs/{JOB}/stream"] = [as_bytes(stream)]
    assert follow(server, JOB, told.append) == job("completed")
    assert [one["status"] for one in told] == ["pending", "processing", "completed"]


@pytest.mark.parametrize(
    "stream",
    [
        as_bytes(event("snapshot", job("pending")), announced=10_000),
        as_bytes(event("snapshot", job("pending"))),
        as_json({}, status=503),
    ],
    ids=["breaks", "ends early", "does not get through"],
)
def test_where_events_do_not_come_it_asks(
    site: Site, server: Server, stream: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "POLL_SECONDS", 0.01)
    site.answers[f"/api/jobs/{JOB}/stream"] = [stream]
    site.answers[f"/api/jobs/{JOB}"] = [as_json(job("processing")), as_json(job("completed"))]
    assert follow(server, JOB, lambda told: None) == job("completed")


def test_a_job_that_is_deleted_meanwhile_is_told(site: Site, server: Server) -> None:
    site.answers[f"/api/jobs/{JOB}/stream"] = [as_bytes(event("snapshot", job("pending")) + event("deleted", {}))]
    with pytest.raises(Refused, match="deleted"):
        follow(server, JOB, lambda told: None)


def test_a_job_that_may_not_be_seen_is_not_asked_for_again(site: Site, server: Server) -> None:
    site.answers[f"/api/jobs/{JOB}/stream"] = [as_json({"detail": "There is no such job."}, status=404)]
    with pytest.raises(Refused, match="no such job"):
        follow(server, JOB, lambda told: None)


def test_connections_that_have_died_are_noticed() -> None:
    for _ in range(2):
        sending.notice_dead_connections()
    for connection in (HTTPConnection("localhost"), HTTPSConnection("localhost")):
        options = list(connection.socket_options or [])
        assert set(sending.KEEP_ALIVE) <= set(options)
        assert len(set(options)) == len(options)
