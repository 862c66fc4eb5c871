"""Sending a file by tus: resumed where it was left, tried again where the connection breaks.

tuspy speaks the protocol. Trying again is ours, since it knows what may pass and tells what happens; and so is the
memory of uploads, which tuspy would not ask whether they are still there.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError
from urllib3.connection import HTTPConnection

from salesagg.client.errors import ClientError, Refused, Unusable, refused
from salesagg.client.memory import Memory
from salesagg.client.server import Server

# Chunks grow and shrink so that each takes about as long as this: a bar moves, and a lost one is soon sent again.
_FIRST_CHUNK, _SMALLEST_CHUNK = 1 << 20, 256 << 10
_QUICK, _SLOW = 1.0, 4.0
# The upload is not there any more, if it was: expired, cancelled, or of another site that is at this address now.
GONE = (404, 410)
# Ask after twenty seconds without a word, and give up after a minute. Not every system has all of them.
_TCP = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 60_000}
KEEP_ALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *((socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in _TCP.items() if hasattr(socket, name)),
]

Uploader = Any  # tuspy has no types


def begin(
    server: Server, file: IO[bytes], *, metadata: dict[str, str], memory: Memory, key: str | None
) -> tuple[Uploader, bool]:
    """The upload of `file`, and whether it is one that was begun before: the one that `memory` has for `key`."""
    notice_dead_connections()
    client = TusClient(f"{server.url}/uploads/", headers=dict(server.headers))

    def uploader(url: str | None) -> Uploader:
        with _told(server):
            return client.uploader(
                file_stream=file, url=url, metadata=metadata, chunk_size=_FIRST_CHUNK, upload_checksum=True
            )

    def create() -> Uploader:
        made = uploader(None)
        with _told(server):
            made.set_url(made.create_url())
        return made

    if key and (url := memory.get_item(key)) and url.startswith(client.url):
        try:
            return server.patience.call(lambda: uploader(url)), True
        except Refused as error:
            if error.status not in GONE:
                raise
            memory.remove_item(key)
    made = server.patience.call(create)
    if key:
        memory.set_item(key, made.url)
    return made, False


def send(
    server: Server, uploader: Uploader, *, largest: int, sent: Callable[[int], None], stop: Callable[[], bool]
) -> bool:
    """Send what is missing, telling the offset; returns whether all is there, which it is not when `stop` said so."""
    as_it_was = _stamp(uploader.file_stream)
    size = uploader.stop_at
    patience = server.patience.anew()
    is_lost = False

    while uploader.offset < size:
        if stop():
            return False
        began, before = time.monotonic(), uploader.offset
        try:
            with _told(server):
                if is_lost:
                    # What has come before the connection broke, only the server knows.
                    uploader.offset = uploader.get_offset()
                    is_lost = False
                else:
                    uploader.upload_chunk()
        except ClientError as error:
            is_lost = True
            patience.wait(error)
            continue
        if _stamp(uploader.file_stream) != as_it_was:
            with contextlib.suppress(ClientError):
                server.delete(uploader.url)
            raise Unusable("The file was changed while it was being sent. What had been sent is removed.")
        if uploader.offset > before:
            patience.succeeded()
            uploader.chunk_size = _next_size(uploader.chunk_size, time.monotonic() - began, largest)
        sent(uploader.offset)
    return True


def notice_dead_connections() -> None:
    """Let the system find out when the other side is gone: tuspy's requests, without timeouts, would wait forever."""
    # The list is what connections take by default.
    defaults = HTTPConnection.default_socket_options
    defaults.extend(option for option in KEEP_ALIVE if option not in defaults)


def _next_size(size: int, seconds: float, largest: int) -> int:
    if seconds < _QUICK:
        size *= 2
    elif seconds > _SLOW:
        size //= 2
    return min(max(size, _SMALLEST_CHUNK), largest)


def _stamp(file: IO[bytes]) -> tuple[int, int]:
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns


@contextlib.contextmanager
def _told(server: Server) -> Iterator[None]:
    """tuspy's errors in our words."""
    try:
        yield
    except TusCommunicationError as error:
        if error.status_code is None:
            raise server.unreachable(error) from None
        raise refused(error.status_code, error.response_content) from None
    except TypeError:
        # An answer without the header that tells the offset, of something between us and the site.
        raise server.unreachable("no sense in the answer") from None
