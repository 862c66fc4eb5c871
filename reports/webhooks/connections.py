"""Connections to receivers, of whom nothing is known: to public addresses alone, and never for longer than agreed.

The limits of `requests` are for each reading from the socket. A receiver that sends a byte every few seconds would hold
a connection, and a place among those that are sent side by side, for as long as it likes; so the socket is shut from
here when the time is over.
"""

import socket
import threading
import time
from contextlib import suppress
from typing import Any

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from reports.webhooks import addresses

CONNECT_SECONDS = 5.0
# From the first attempt to connect to the end of the answer's headers.
TOTAL_SECONDS = 15.0


def session() -> requests.Session:
    """A session for one message: no proxies, no cookies, no passwords from files."""
    made = requests.Session()
    made.trust_env = False
    for scheme in ("http", "https"):
        if settings.WEBHOOKS_TO_PRIVATE_ADDRESSES:
            made.mount(f"{scheme}://", _Bounded())
        else:
            made.mount(f"{scheme}://", _PublicAlone(is_https_proto=scheme == "https"))  # type: ignore[call-arg]
    return made


class _Ending:
    """A connection that is shut when its time is over. Whoever waits for bytes then gets an error, or their end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ends = time.monotonic() + TOTAL_SECONDS
        self._timer: threading.Timer | None = None

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self._timer = threading.Timer(self._ends - time.monotonic(), _shut, [self.sock])  # type: ignore[attr-defined]
        self._timer.daemon = True
        self._timer.start()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().close()  # type: ignore[misc]


class _Connection(_Ending, HTTPConnection):
    pass


class _SecureConnection(_Ending, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Bounded(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class _PublicAlone(IPFilterAdapter, _Bounded):  # type: ignore[misc]
    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        host, pool = super().build_connection_pool_key_attributes(*args, **kwargs)
        addresses.check_ip(host["host"])
        return host, pool


def _shut(sock: socket.socket) -> None:
    # The system's own, also where TLS lies over it: that would first say good-bye to who does not listen.
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
