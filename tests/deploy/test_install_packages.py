"""An image or a machine is without the compiled engine only where that has no wheel, never because a network failed."""

import hashlib
import io
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.services.processes import ROOT

ANYWHERE, ELSEWHERE = "py3-none-any", "py3-none-win_arm64"


def wheel(name: str, tag: str) -> tuple[str, bytes]:
    """A wheel with one module and no dependencies."""
    about = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{about}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{about}/RECORD"])
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return f"{name}-1.0-{tag}.whl", written.getvalue()


class Index:
    """A package index. It closes connections that ask for a package in `silent`, as a broken network does."""

    def __init__(self, numba_for: str) -> None:
        self.silent: set[str] = set()
        self.packages = {"sales": wheel("sales", ANYWHERE), "numba": wheel("numba", numba_for)}
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index._answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/simple"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def lines(self, *names: str) -> str:
        """A lock file's lines."""
        digests = {name: hashlib.sha256(self.packages[name][1]).hexdigest() for name in names}
        return "".join(f"{name}==1.0 --hash=sha256:{digest}\n" for name, digest in digests.items())

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.strip("/").split("/")[1]
        if name in self.silent:
            handler.close_connection = True
            return
        file, content = self.packages[name]
        if not handler.path.endswith(".whl"):
            content = f'<a href="/simple/{name}/{file}">{file}</a>'.encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html" if content.startswith(b"<") else "application/zip")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


@pytest.fixture
def index(request: pytest.FixtureRequest) -> Iterator[Index]:
    started = Index(request.param)
    yield started
    started.close()


def install(index: Index, folder: Path) -> tuple[int, str, set[str]]:
    """The script's exit code, what it says, and the modules that are installed."""
    (folder / "fast.txt").write_text(index.lines("sales", "numba"))
    (folder / "plain.txt").write_text(index.lines("sales"))
    env = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    options = {"INDEX_URL": index.url, "CONFIG_FILE": os.devnull, "TARGET": str(folder / "there"), "RETRIES": "0"}
    done = subprocess.run(
        ["sh", ROOT / "deploy" / "install-packages.sh", sys.executable, folder / "fast.txt", folder / "plain.txt"],
        env=env | {f"PIP_{name}": value for name, value in options.items()} | {"PIP_NO_CACHE_DIR": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stderr, {path.stem for path in (folder / "there").glob("*.py")}


@pytest.mark.parametrize("index", [ANYWHERE], indirect=True)
def test_packages_with_wheels_are_installed(index: Index, tmp_path: Path) -> None:
    assert install(index, tmp_path) == (0, "", {"sales", "numba"})


@pytest.mark.parametrize("index", [ELSEWHERE], indirect=True)
def test_machine_without_a_numba_wheel_gets_the_rest(index: Index, tmp_path: Path) -> None:
    code, said, there = install(index, tmp_path)
    assert (code, there) == (0, {"sales"})
    assert "numba has no wheel for this machine" in said


@pytest.mark.parametrize("index", [ANYWHERE], indirect=True)
@pytest.mark.parametrize("silent", ["numba", "sales"])
def test_network_failure_is_an_error_and_leaves_nothing_out(index: Index, tmp_path: Path, silent: str) -> None:
    index.silent = {silent}
    code, said, there = install(index, tmp_path)
    assert (code, there) == (1, set())
    assert "did not answer" in said


@pytest.mark.parametrize("index", [ANYWHERE], indirect=True)
def test_file_with_another_hash_is_refused(index: Index, tmp_path: Path) -> None:
    name, _content = index.packages["numba"]
    locked = index.lines("sales", "numba")
    index.packages["numba"] = (name, wheel("numba", ANYWHERE + ".another")[1])
    index.lines = lambda *names: locked  # type: ignore[method-assign]
    assert install(index, tmp_path)[::2] == (1, set())
