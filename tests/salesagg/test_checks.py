"""What is wrong with a set-up is said before it fails in a browser."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from tests.services.processes import ROOT


def manage(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=60,
    )


def ids() -> set[str]:
    return {str(message.id) for message in run_checks()}


def test_a_sound_set_up_has_nothing_to_say() -> None:
    assert ids() == set()


def test_missing_front_end_packages_are_named_with_the_command(settings: Any, tmp_path: Path) -> None:
    settings.STATIC_PACKAGES_ROOT = tmp_path
    [message] = [message for message in run_checks() if message.id == "salesagg.E001"]
    assert "bootstrap.min.css" in message.msg
    assert "npm ci" in (message.hint or "")


def test_half_of_the_services_is_an_error(settings: Any) -> None:
    settings.DATABASE_URL, settings.REDIS_URL = "postgres://db/sales", ""
    assert "salesagg.E002" in ids()


@pytest.mark.parametrize("prefix", ["imports/{user}/", "in/", "{user}/", "our/uploads/{user}/", "jobs-to-do/", ""])
def test_a_folder_for_imports_of_its_own_is_sound(settings: Any, prefix: str) -> None:
    settings.IMPORT_PREFIX = prefix
    assert "salesagg.E003" not in ids()


@pytest.mark.parametrize(
    "prefix",
    [
        *("uploads/", "uploads/{user}/", "jobs/", "Jobs/x/"),
        *("imports/{user}", "imports/{user", "imports/{email}/", "imports/{}/", "imports/{user.pk}/", "{{user}}/"),
        *("/", "/imports/", "imports//", "./imports/", "imports/../uploads/", "imports\\", "imports\\x/", "in\0/"),
    ],
)
def test_a_folder_for_imports_that_is_ours_or_none_is_an_error(settings: Any, prefix: str) -> None:
    settings.IMPORT_PREFIX = prefix
    [message] = [message for message in run_checks() if message.id == "salesagg.E003"]
    assert "imports/{user}/" in (message.hint or "")


def test_production_settings_pass_djangos_own_deployment_check() -> None:
    done = manage(
        "check",
        "--deploy",
        "--fail-level=WARNING",
        SECRET_KEY="0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        HTTPS="true",
        BEHIND_PROXY="true",
        ALLOWED_HOSTS="sales.example.com",
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_shared_services_without_a_shared_key_are_refused() -> None:
    done = manage("check", SECRET_KEY="", DATABASE_URL="postgres://db/sales", REDIS_URL="redis://cache")
    assert done.returncode == 1
    assert "Set SECRET_KEY" in done.stderr


def test_models_and_migrations_agree() -> None:
    done = manage("makemigrations", "--check", "--dry-run")
    assert done.returncode == 0, done.stdout
