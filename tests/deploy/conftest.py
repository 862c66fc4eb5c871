"""One site for all tests of the rehearsal: it takes as long to start as they take."""

from collections.abc import Iterator

import pytest

from tests.deploy.stage import Stage
from tests.services import Postgres, Redis


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    postgres, redis = Postgres(folder), Redis(folder)
    started = Stage(folder, postgres, redis)
    try:
        started.begin()
        yield started
    finally:
        started.end()
        for service in (redis, postgres):
            service.end()
