"""One site for all tests of the rehearsal: it takes as long to start as they take."""

from collections.abc import Iterator

import pytest

from tests.deploy.stage import Stage
from tests.services import Postgres


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    postgres = Postgres(folder)
    started = Stage(folder, postgres)
    try:
        started.begin()
        yield started
    finally:
        started.end()
        postgres.end()
