"""The story that docs/api.md tells with curl, run as it stands there."""

import json
import os
import re
import subprocess
from pathlib import Path

import requests

from tests.services.processes import ROOT

SALES = b"Department,Date,Sales\nToys,2026-01-02,3\nBooks,2026-01-02,4\nToys,2026-01-03,1.5\nBooks,2026-02-30,1\n"
CUSTOMERS = b"Name,Mail,Company\nAda,ada@example.org,Engines\nBen,ben@example.org,Boats\nCy,nonsense,Boats\n"


def used_bytes(address: str, token: str) -> int:
    answer = requests.get(f"{address}/api/limits", headers={"Authorization": f"Bearer {token}"}, timeout=20)
    used: int = answer.json()["usedBytes"]
    return used


def test_the_story_is_true(address: str, token: str, tmp_path: Path) -> None:
    before = used_bytes(address, token)
    (tmp_path / "sales.csv").write_bytes(SALES)
    (tmp_path / "customers.csv").write_bytes(CUSTOMERS)
    lines = "\n".join(
        re.findall(r"^```bash\n(.*?)^```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL | re.MULTILINE)
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        cwd=tmp_path,
        env={**os.environ, "SALESAGG_URL": address, "SALESAGG_TOKEN": token},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout

    def read(name: str) -> str:
        return (tmp_path / name).read_text()

    events = re.findall(r"^event: (\w+)$", read("events.txt"), re.MULTILINE)
    assert (events[0], events[-1]) == ("snapshot", "completed")
    job = json.loads(read("job.json"))
    counted = ("status", "processedRows", "totalRows", "successCount", "failedCount", "departments", "total")
    assert [job[name] for name in counted] == ["completed", 4, 4, 2, 2, 2, "7"]
    assert read("totals.csv") == "Department Name,Total Number of Sales\nBooks,4\nToys,3\n"
    assert read("handed-on.csv") == read("totals.csv")
    assert {one["name"]: one["sales"] for one in json.loads(read("totals.json"))["departments"]} == {
        "Books": 4,
        "Toys": 3,
    }
    assert (tmp_path / "totals.xlsx").read_bytes().startswith(b"PK")
    assert (tmp_path / "totals.parquet").read_bytes().startswith(b"PAR1")
    assert read("errors.csv").splitlines()[0] == "rowNumber,Department,Date,Sales,error"
    assert [line.split(",")[0] for line in read("errors.csv").splitlines()[1:]] == ["3", "4"]
    assert read("amounts.csv") == "Department Name,Total Number of Sales\nBooks,4.0\nToys,4.5\n"
    assert len(json.loads(read("jobs.json"))["items"]) == 1
    assert read("rejected-customers.csv").splitlines()[1].startswith("3,Cy,nonsense,,Boats,")
    assert [one["name"] for one in json.loads(read("customers.json"))["items"]] == ["Ada"]
    assert sorted(read("exported.csv").splitlines()[1:]) == [
        "Ada,ada@example.org,,Engines",
        "Ben,ben@example.org,,Boats",
    ]
    assert json.loads(read("ada.json"))["company"] == "Looms"
    assert json.loads(read("undone.json"))["state"] == "undone"
    assert json.loads(read("limits.json"))["usedBytes"] == before + len(SALES)
