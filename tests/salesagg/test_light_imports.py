"""What runs for a moment, every few seconds or by hand, loads no more than it needs."""

import subprocess
import sys

import pytest

from tests.services.processes import ROOT

HEAVY = {"celery", "django", "kombu", "pyarrow", "numba"}


@pytest.mark.parametrize(
    "module", ["salesagg.probe", "salesagg.client.cli", "salesagg.secret_files", "reports.rpc.probe"]
)
def test_small_program_does_not_load_celery_or_django(module: str) -> None:
    look = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert HEAVY & set(done.stdout.split()) == set()


def test_celery_application_is_current_in_every_django_process() -> None:
    look = "import django; django.setup(); from celery import current_app; print(current_app.main)"
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "salesagg"
