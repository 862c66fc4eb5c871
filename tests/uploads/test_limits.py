"""Limits on how many uploads and chunks one person, or one address, may send."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection

from accounts import ratelimit
from accounts.errors import Refusal
from accounts.models import User
from tests.uploads.conftest import Tus
from uploads import lifecycle
from uploads.models import Upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
KEPT = "keep dHJ1ZQ=="


@pytest.fixture(autouse=True)
def _within_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test meets the end of the minute in which it began."""
    monkeypatch.setattr(ratelimit, "time", SimpleNamespace(time=lambda: 1_800_000_020.0))


def begun(tus: Tus, count: int) -> list[int]:
    return [tus.create(5, Upload_Metadata=KEPT).status_code for _ in range(count)]


def check_too_many(answer: Any, *, code: str = "too_many_requests", wait: str = "41") -> None:
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (429, code, wait)
    assert answer["Tus-Resumable"] == "1.0.0"


def test_unfinished_uploads_of_one_person_are_limited(tus: Tus, strangers_tus: Tus, settings: Any) -> None:
    settings.MAX_UNFINISHED_UPLOADS = 3
    path = tus.created(5, Upload_Metadata=KEPT)
    assert begun(tus, 2) == [201, 201]
    check_too_many(tus.create(5, Upload_Metadata=KEPT), code="too_many_uploads", wait="30")
    assert begun(strangers_tus, 1) == [201]
    assert tus.patch(path, b"12345").status_code == 204
    assert begun(tus, 2) == [201, 429]


def test_uploads_begun_at_once_stay_within_the_limit(user: User, settings: Any) -> None:
    settings.MAX_UNFINISHED_UPLOADS = 3
    ready = threading.Barrier(6)

    def begin() -> None:
        ready.wait(60)
        try:
            lifecycle.create(user, length=5, metadata=KEPT)
        except Refusal:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert Upload.objects.count() == 3


def test_uploads_begun_in_a_minute_are_limited(tus: Tus, strangers_tus: Tus, settings: Any) -> None:
    settings.UPLOADS_PER_MINUTE = 2
    assert begun(tus, 2) == [201, 201]
    check_too_many(tus.create(5, Upload_Metadata=KEPT))
    assert begun(strangers_tus, 1) == [201]
    settings.UPLOADS_PER_MINUTE = 0
    assert begun(tus, 1) == [201]


def test_uploads_begun_from_one_address_are_limited(tus: Tus, strangers_tus: Tus, settings: Any) -> None:
    settings.UPLOADS_PER_MINUTE_PER_ADDRESS = 2
    assert [*begun(tus, 1), *begun(strangers_tus, 2)] == [201, 201, 429]


@pytest.mark.parametrize("limit", ["CHUNKS_PER_MINUTE", "CHUNKS_PER_MINUTE_PER_ADDRESS"])
def test_chunks_in_a_minute_are_limited(tus: Tus, settings: Any, limit: str) -> None:
    setattr(settings, limit, 3)
    path = tus.created(5)
    assert [tus.patch(path, b"x", offset).status_code for offset in (0, 1)] == [204, 204]
    check_too_many(tus.patch(path, b"x", 2))
    assert tus.head(path).status_code == 429
    assert Upload.objects.get().offset == 2


def test_requests_without_a_login_are_counted_for_their_address(nobody: Tus, settings: Any) -> None:
    settings.CHUNKS_PER_MINUTE_PER_ADDRESS = 2
    assert [nobody.create().status_code for _ in range(3)] == [401, 401, 429]


def test_a_fast_client_with_small_chunks_is_within_the_limits(settings: Any) -> None:
    seconds_a_chunk = (1 << 20) / 200e6
    assert 1.5 * 60 / seconds_a_chunk < settings.CHUNKS_PER_MINUTE
    assert settings.CHUNKS_PER_MINUTE_PER_ADDRESS >= settings.CHUNKS_PER_MINUTE
