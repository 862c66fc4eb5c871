"""Loaded before the settings are: decides in which world the tests run.

By default everything is in one process, as with `make run`. With `--services`, database, broker, cache and channel
layer are a real PostgreSQL and a real Redis: those that DATABASE_URL and REDIS_URL name, or ones started for the
session.
"""

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.services import Postgres, Redis

_FOLDER = Path(tempfile.mkdtemp(prefix="salesagg-tests-"))
_started: list[Postgres | Redis] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--services", action="store_true", help="run on a real PostgreSQL and Redis")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    os.environ["DATA_DIR"] = str(_FOLDER / "data")
    # Collected at most once a session, by whichever server needs it first.
    os.environ["STATIC_ROOT"] = str(_FOLDER / "static")
    (_FOLDER / "static").mkdir()
    os.environ["SECRET_KEY"] = "for tests alone"
    os.environ["DEBUG"] = "0"
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    # No test cuts the power, and each commit would wait for the disk. Those about it switch it on.
    os.environ.setdefault("SYNC_UPLOADS", "0")
    given = {name: os.environ.pop(name, "") for name in ("DATABASE_URL", "REDIS_URL", "STORAGE_URL")}
    asked = early_config.known_args_namespace
    # Those of xdist have its options too.
    if asked.services and getattr(asked, "numprocesses", None) and "PYTEST_XDIST_WORKER" not in os.environ:
        # This process runs no tests itself. Those that do each start their own: what one publishes or clears is not
        # another's.
        os.environ.update({name: url for name, url in given.items() if url})
    elif asked.services:
        os.environ["DATABASE_URL"] = given["DATABASE_URL"] or _start(Postgres(_FOLDER)).url
        os.environ["REDIS_URL"] = given["REDIS_URL"] or _start(Redis(_FOLDER)).url
    return (yield)


def pytest_unconfigure() -> None:
    while _started:
        _started.pop().end()
    shutil.rmtree(_FOLDER, ignore_errors=True)


def _start(service: Postgres | Redis) -> Postgres | Redis:
    _started.append(service)
    return service
