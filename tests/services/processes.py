"""Starting, watching and ending processes of our own."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent.parent
T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(look: Callable[[], T], *, what: str, timeout: float = 600.0) -> T:
    """Ask `look` until it gives something true, and return that. For what no event tells us: another process."""
    deadline = time.monotonic() + timeout
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain for {what}")
        time.sleep(0.02)


class Process:
    """A program of ours, its output in a file, in a process group of its own so that it ends with its children."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str] | None = None, log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self._popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def returncode(self) -> int | None:
        return self._popen.poll()

    def wait_for_output(self, text: str, *, timeout: float = 60.0) -> None:
        def look() -> bool:
            assert self.returncode is None or text in self.output, f"ended with {self.returncode}:\n{self.output}"
            return text in self.output

        wait_until(look, what=f"{text!r} in:\n{self.output}", timeout=timeout)

    def wait_for_port(self, port: int, *, timeout: float = 60.0) -> None:
        def look() -> bool:
            assert self.returncode is None, f"ended with {self.returncode}:\n{self.output}"
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_until(look, what=f"port {port} of pid {self.pid}", timeout=timeout)

    def signal_group(self, number: signal.Signals) -> None:
        """Signal the process and its children."""
        if self.returncode is None:
            os.killpg(self.pid, number)

    def wait(self, *, timeout: float) -> int:
        return self._popen.wait(timeout)

    def end(self) -> None:
        """Terminate; kill what does not obey."""
        self.signal_group(signal.SIGTERM)
        try:
            self._popen.wait(10)
        except subprocess.TimeoutExpired:
            self.signal_group(signal.SIGKILL)
            self._popen.wait(10)
