"""An S3 server on a bad day: it passes requests on to a real one, but for those that it was told to spoil."""

import http.client
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
NOT_LET_IN = b"<Error><Code>InvalidAccessKeyId</Code><Message>The key you provided does not exist.</Message></Error>"
PIECE = 64 * 1024


@dataclass(frozen=True)
class Asked:
    """A request, and how many bytes of body went each way."""

    method: str
    path: str
    range: str
    received: int
    sent: int
    has_token: bool


class Unwell:
    """In front of the S3 server at `port`. Each of `faults` spoils one request, in their order:

    ``slow down`` answers 503; ``denied`` 403; ``reset`` ends the connection in the middle of what is sent to it;
    ``break`` in the middle of the answer; ``hang`` never answers. `always` spoils all of them. An answer comes
    after `latency` seconds.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.faults: deque[str] = deque()
        self.always = ""
        self.latency = 0.0
        self.log: list[Asked] = []
        self.ended = threading.Event()
        handler = type("Handler", (_Handler,), {"unwell": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, url: str) -> str:
        """`url`, the STORAGE_URL of the server behind, by way of this one."""
        return url.replace(f":{self.target}", f":{self.port}")

    def asked(self, method: str) -> list[Asked]:
        return [asked for asked in self.log if asked.method == method]

    def end(self) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    unwell: Unwell

    def do(self) -> None:
        unwell = self.unwell
        fault = unwell.always or (unwell.faults.popleft() if unwell.faults else "")
        size = int(self.headers.get("Content-Length") or 0)
        if fault == "reset":
            self.rfile.read(size // 2)
            self._reset()
            return
        body = self.rfile.read(size)
        if fault == "hang":
            unwell.ended.wait(60)
            self._reset()
            return
        if fault in ("slow down", "denied"):
            self._note(len(body), 0)
            self._answer(503 if fault == "slow down" else 403, {}, SLOW_DOWN if fault == "slow down" else NOT_LET_IN)
            return
        time.sleep(unwell.latency)
        status, headers, data = self._ask(body)
        self._note(len(body), len(data))
        self._answer(status, headers, data, half=fault == "break")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do  # noqa: N815  (names of the standard library)

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.unwell.target, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        told = {n: v for n, v in answer.getheaders() if n.lower() not in ("transfer-encoding", "connection", "date")}
        try:
            return answer.status, told, answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], data: bytes, *, half: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name in headers):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if half:
            self.wfile.write(data[: len(data) // 2])
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        for start in range(0, len(data) if self.command != "HEAD" else 0, PIECE):
            self.wfile.write(data[start : start + PIECE])

    def _reset(self) -> None:
        """End the connection without a word, as a network does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _note(self, received: int, sent: int) -> None:
        asked = Asked(
            self.command, self.path, self.headers.get("Range", ""), received, sent, "Bearer" in str(self.headers)
        )
        self.unwell.log.append(asked)

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, ValueError):
            # The other side has gone, or we have ended the connection ourselves.
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the standard library's name)
        """Nothing: see `Unwell.log`."""
