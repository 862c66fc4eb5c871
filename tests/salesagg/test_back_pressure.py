"""A client that takes its answer slowly does not make the server hold it."""

import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.services import Process, free_port, wait_until

MIB = 1024 * 1024
# What `tests.salesagg.pouring` sends at a time.
PIECE = bytes(range(256)) * 1024
# More than the buffers of both systems on the way, and what Twisted takes at a time.
IN_BUFFERS = 16 * MIB


class Server:
    def __init__(self, folder: Path, *, patience: float) -> None:
        self.port = free_port()
        command = ("daphne", "-b", "127.0.0.1", "-p", str(self.port), "tests.salesagg.pouring:application")
        env = {"PATIENCE_SECONDS": str(patience), "SECRET_KEY": "for tests alone", "DATA_DIR": str(folder)}
        self.process = Process([sys.executable, "-m", *command], env=env, log=folder / "daphne.log")
        self.process.wait_for_port(self.port)

    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = requests.get(f"http://127.0.0.1:{self.port}/told", timeout=20).json()
        return told

    def ask(self, pieces: int) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        client.sendall(f"GET /{pieces} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        return client

    def has_stopped(self) -> bool:
        """Whether it has sent something, and sends no more."""
        before = self.told()["sent"]
        time.sleep(0.3)
        return bool(before > 0 and self.told()["sent"] == before)

    @property
    def memory(self) -> int:
        size: int = psutil.Process(self.process.pid).memory_info().rss
        return size


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    started = Server(tmp_path, patience=getattr(request, "param", 60.0))
    yield started
    started.process.end()


def test_a_large_download_waits_for_a_client_that_reads_slowly_and_comes_whole(server: Server) -> None:
    pieces = 200 * MIB // len(PIECE)
    server.told()
    before = server.memory
    with server.ask(pieces) as client:
        wait_until(server.has_stopped, what="it to hold back")
        assert server.told()["sent"] < IN_BUFFERS
        assert server.memory - before < IN_BUFFERS
        received = bytearray()
        while data := client.recv(MIB):
            received += data
    assert received.partition(b"\r\n\r\n")[2] == PIECE * pieces
    assert server.told()["over"] == "poured"
    assert server.memory - before < IN_BUFFERS


def test_a_client_that_leaves_in_the_middle_ends_it(server: Server) -> None:
    with server.ask(10_000):
        wait_until(server.has_stopped, what="it to hold back")
    assert wait_until(lambda: server.told()["over"], what="its end") == "left"


@pytest.mark.parametrize("server", [1.0], indirect=True)
def test_a_client_that_takes_nothing_at_all_is_left(server: Server) -> None:
    with server.ask(10_000) as client:
        assert wait_until(lambda: server.told()["over"], what="its end") == "left"
        with pytest.raises(ConnectionResetError):
            while client.recv(MIB):
                pass


def test_an_answer_that_fails_in_the_middle_never_looks_complete(server: Server) -> None:
    # Twice: the second answer needs the loop of Daphne's that looks for those that have failed.
    for _attempt in range(2):
        with requests.get(f"http://127.0.0.1:{server.port}/fail/3", timeout=20, stream=True) as answer:
            assert answer.status_code == 200
            with pytest.raises(requests.exceptions.ChunkedEncodingError):
                list(answer.iter_content(MIB))
