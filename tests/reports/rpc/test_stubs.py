"""The generated code is that of the description beside it."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.services.processes import ROOT

STUBS = Path("reports/rpc/stubs")


def command_of_make() -> list[str]:
    """What `make stubs` calls to write the Python code."""
    recipe = (ROOT / "Makefile").read_text().replace("\\\n", "")
    found = re.search(r"^stubs:.*\n(?:\t.*\n)*?\t\$\(BIN\)/python (-m grpc_tools\.protoc .*)$", recipe, re.MULTILINE)
    assert found
    return [sys.executable, *shlex.split(found[1])]


def test_make_stubs_would_change_nothing(tmp_path: Path) -> None:
    command = [argument.replace("_out=.", f"_out={tmp_path}") for argument in command_of_make()]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    written = {path.name: path.read_bytes() for path in (tmp_path / STUBS).iterdir()}
    assert {"sales_pb2.py", "sales_pb2.pyi", "sales_pb2_grpc.py"} <= written.keys()
    assert written == {name: (ROOT / STUBS / name).read_bytes() for name in written}
