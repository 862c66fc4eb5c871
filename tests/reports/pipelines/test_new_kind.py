"""docs/pipelines.md: a kind of CSV is one new module, and nothing else."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.services.processes import ROOT


def tree_with(module: str, code: str, folder: Path) -> Path:
    """The product as it is, with one module more among its pipelines."""
    pipelines = folder / "reports" / "pipelines"
    shutil.copytree(ROOT / "reports" / "pipelines", pipelines)
    (pipelines / module).write_text(code)
    for source, target in ((ROOT, folder), (ROOT / "reports", folder / "reports")):
        for there in source.iterdir():
            if not (target / there.name).exists():
                (target / there.name).symlink_to(there)
    return folder


def run(tree: Path, data: Path) -> dict[str, Any]:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "salesagg.settings",
        "SECRET_KEY": "for this test alone",
        "DATA_DIR": str(data),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "STORAGE_URL": "",
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-m", "tests.reports.pipelines.new_kind"]
    told = subprocess.run(command, cwd=tree, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=60)
    result: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return result


def test_the_example_in_the_guide_is_a_kind_by_being_there(tmp_path: Path) -> None:
    code = re.search(r"^```python\n(.*?)^```", (ROOT / "docs/pipelines.md").read_text(), re.MULTILINE | re.DOTALL)
    assert code is not None
    seen = run(tree_with("returns.py", code[1], tmp_path / "tree"), tmp_path / "data")
    assert seen["kinds"] == ["sales", "customers", "returns"]
    assert {"order_column", "reason_column"} < set(seen["keys"])
    assert seen["made"] == 201
    job = seen["job"]
    assert (job["status"], job["kind"], job["successCount"], job["failedCount"]) == ("completed", "returns", 1, 3)
    assert job["reasons"] == {"invalid_order": 2, "reason_too_long": 1, "wrong_number_of_fields": 1}
    assert job["columns"] == {"order": "Order Number", "reason": "Why"}
    assert seen["errors"].splitlines() == [
        "rowNumber,order,reason,error,Shelf",
        "2,12,,the number of the order is not seven digits,B",
        f"3,99,{'x' * 81},the number of the order is not seven digits; the reason has more than 80 characters,C",
        "4,7654321,,the number of fields differs from the header's,",
    ]
    assert seen["statuses"] == [200] * 4
    assert "the number of the order is not seven digits" in seen["page"]
    assert "/customers/?import" not in seen["page"]
    assert seen["result"] == "no_result"
