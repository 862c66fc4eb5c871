"""Pages of another site: built as their authors would, and served from an origin of their own."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from tests.services.processes import ROOT


class Pages:
    """Serves the files in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        # Browsers ask for it, and complain when it is missing.
        (folder / "favicon.ico").touch()
        self.folder = folder
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


def with_node() -> dict[str, str]:
    """The environment in which Node is found: the one in the virtual environment, or the machine's."""
    return os.environ | {"PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))}


def run(*command: str | Path, folder: Path = ROOT, **env: str) -> None:
    subprocess.run(command, cwd=folder, env=with_node() | env, check=True, timeout=60)


def protoc(folder: Path, include: Path, *files: str) -> None:
    """Write JavaScript for the `.proto` files into `folder`."""
    plugin = f"--plugin=protoc-gen-es={ROOT / 'node_modules/.bin/protoc-gen-es'}"
    run(
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{include}",
        plugin,
        f"--es_out={folder}",
        "--es_opt=target=js+dts",
        *files,
    )


def bundle(script: Path, to: Path, *, folder: Path = ROOT, modules: Path | None = None) -> None:
    """Make one script of `script` and all that it imports, some of it from `modules`."""
    esbuild = ROOT / "node_modules" / ".bin" / "esbuild"
    places = os.pathsep.join(str(place) for place in (ROOT / "node_modules", modules) if place)
    options = ("--bundle", "--format=esm", "--log-level=warning", f"--outfile={to}")
    run(esbuild, script, *options, folder=folder, NODE_PATH=places)


@contextlib.contextmanager
def serving(command: list[str], folder: Path) -> Iterator[None]:
    """esbuild at work, which ends when its input does."""
    program = str(folder / "node_modules" / ".bin" / command[0])
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen([program, *command[1:]], cwd=folder, env=with_node(), stdin=pipe, stderr=nothing):
        yield


def is_served(origin: str) -> bool:
    try:
        return requests.get(origin, timeout=20).ok
    except requests.ConnectionError:
        return False
