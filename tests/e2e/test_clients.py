"""tus clients that are not ours, over a connection that breaks."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.files import totals_by_csv, write_sales
from tests.services import wait_until
from tests.services.cable import Cable
from tests.services.processes import ROOT
from tests.services.site import Site, log_in
from tests.services.tus import upload

CHUNK = 2 << 20
SIZE = 15_000_000


def by_tuspy(address: str, token: str, path: Path) -> None:
    upload(address, token, path, chunk=CHUNK, retries=3)


def by_tus_js_client(address: str, token: str, path: Path) -> None:
    # The machine's Node, or the one that set-up put into the virtual environment.
    node = shutil.which("node") or str(Path(sys.executable).with_name("node"))
    script = ROOT / "tests" / "e2e" / "tus_upload.mjs"
    done = subprocess.run(
        [node, script, f"{address}/uploads/", token, path, str(CHUNK)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["retries"] == 1


@pytest.mark.parametrize("send", [by_tuspy, by_tus_js_client])
def test_an_upload_goes_on_after_the_connection_broke(
    site: Site, address: str, token: str, tmp_path: Path, send: Callable[[str, str, Path], None]
) -> None:
    path = write_sales(tmp_path / f"{send.__name__}.csv", SIZE)
    cable = Cable(int(address.rpartition(":")[2]), cut_after=SIZE // 2)
    try:
        send(f"http://localhost:{cable.port}", token, path)
    finally:
        cable.end()
    assert cable.cuts == 1
    session = log_in(address)
    totals, _, _ = totals_by_csv(path)
    expected = "".join(f"{name},{total}\n" for name, total in totals.items())

    def result() -> str | None:
        page = session.get(address, timeout=20).text
        job = page.split(f">{path.name}<")[0].rpartition('href="/jobs/')[2].partition("/")[0]
        answer = session.get(f"{address}/jobs/{job}/result.csv", timeout=20)
        return answer.text if answer.status_code == 200 else None

    assert wait_until(result, what="the result") == f"Department Name,Total Number of Sales\n{expected}"
