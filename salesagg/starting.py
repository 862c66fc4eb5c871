"""What our commands that listen on a port have in common."""

import errno
import os
import signal
import socket
from pathlib import Path
from types import FrameType

from django.core.management.base import CommandError

from salesagg.core import folder_lock


def end_at_once_at_a_signal() -> None:
    """For the time until the server's loop runs, which is after its port is open: nothing has begun that must be ended
    in order, and a KeyboardInterrupt there is lost in whatever callback it happens to hit."""

    def end(number: int, frame: FrameType | None) -> None:
        os._exit(0)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)


def hold_folder(folder: Path) -> None:
    """Keep the data folder for this process until it ends. Raises `CommandError` when another process has it."""
    try:
        folder_lock.hold(folder)
    except folder_lock.FolderInUseError as error:
        other = f" (process {error.pid})" if error.pid else ""
        raise CommandError(
            f"The data folder {folder} is in use by another Salesagg{other}. Stop that one, or choose another folder "
            "and port: make run DATA_DIR=var2 PORT=8001"
        ) from error


def check_port(host: str, port: int, instead: str) -> None:
    """Raise `CommandError` unless `port` is free on every address that `host` has; `instead` says how to take another.

    Of a name's addresses gRPC is content with one: it would listen on ::1 beside somebody else's 127.0.0.1.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise CommandError(f"{host} is no address of this machine: {error.strerror}.") from error
    for family, kind, protocol, _name, address in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as error:
            # Others, such as an IPv6 address where there is no IPv6, are the server's to judge.
            if error.errno == errno.EADDRINUSE:
                raise CommandError(f"Port {port} is taken. Choose another: {instead}") from error


def written(host: str, port: int) -> str:
    """``127.0.0.1:8000``, ``[::1]:8000``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
