"""A receiver of webhooks on this machine, that answers as a test wants it to."""

import queue
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

Reply = int | Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Received:
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """Notes what it is sent, and answers with `replies` in turn, each a status or an act; then with 204."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.received: queue.Queue[Received] = queue.Queue()
        # What the messages have brought about here: by id, so that a message that comes twice does nothing twice.
        self.effects: dict[str, Any] = {}
        self.secret = ""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._serve(self)

            do_GET = do_POST  # noqa: N815

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def next(self) -> Received:
        """What comes next, or has come."""
        return self.received.get(timeout=20)

    def take_effect(self, message: Received) -> None:
        """As the documentation tells receivers to: verify, then act unless this id has been acted upon."""
        told = Webhook(self.secret).verify(message.body, dict(message.headers))
        self.effects.setdefault(message.id, told)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        message = Received({name.lower(): value for name, value in handler.headers.items()}, body)
        reply = self.replies.pop(0) if self.replies else 204
        if callable(reply):
            if self.secret:
                self.take_effect(message)
            self.received.put(message)
            reply(handler)
            return
        if 200 <= reply < 300 and self.secret:
            self.take_effect(message)
        handler.send_response(reply)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        self.received.put(message)


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Close without an answer."""
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True
