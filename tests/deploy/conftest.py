"""One site for all tests of the rehearsal: it takes as long to start as they take."""

from collections.abc import Iterator

import pytest

from tests.deploy.stage import Stage
from tests.services import S3, Postgres, Redis


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    postgres, redis, s3 = Postgres(folder), Redis(folder), S3(folder)
    started = Stage(folder, postgres, redis, s3)
    try:
        started.begin()
        yield started
    finally:
        started.end()
        for service in (s3, redis, postgres):
            service.end()
