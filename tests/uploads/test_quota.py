"""The quota holds whatever is sent at once, and counts what many small parts really cost."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.db import connection

from accounts.errors import Refusal
from accounts.models import User
from tests.conftest import append
from tests.uploads.conftest import Tus
from uploads import lifecycle, parts
from uploads.models import Part, Upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
KEPT = "keep dHJ1ZQ=="
MANY = 6


class Meeting(io.BytesIO):
    """A body whose reader waits until the other bodies are read too: all chunks have passed the first checks then."""

    def __init__(self, data: bytes, barrier: threading.Barrier) -> None:
        super().__init__(data)
        self._barrier = barrier

    def read(self, size: int | None = -1) -> bytes:
        if not self.tell():
            self._barrier.wait(timeout=60)
        return super().read(size)


def at_once(works: list[Callable[[], object]]) -> list[str]:
    """Run each in a thread; returns the code of each one's refusal, "" where there is none, sorted."""
    codes: list[str] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
            codes.append("")
        except Refusal as refusal:
            codes.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return sorted(codes)


@pytest.fixture
def slow_check(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Between the check of the quota and what follows, each caller waits for another one to be there as well, if one
    can be."""
    check, barrier = lifecycle.check_quota, threading.Barrier(2)

    def checked(*args: Any, **kwargs: Any) -> None:
        check(*args, **kwargs)
        with suppress(threading.BrokenBarrierError):
            barrier.wait(timeout=3)

    monkeypatch.setattr(lifecycle, "check_quota", checked)
    yield
    barrier.abort()


def test_chunks_of_deferred_uploads_at_once_stay_within_the_quota(user: User, settings: Any) -> None:
    settings.QUOTA_BYTES = 10_000
    barrier = threading.Barrier(MANY)
    uploads = [lifecycle.create(user, length=None, metadata=KEPT) for _ in range(MANY)]

    def send(upload: Upload) -> Callable[[], object]:
        body = Meeting(bytes(3000), barrier)
        return lambda: parts.append(upload, offset=0, size=3000, body=body)

    codes = at_once([send(upload) for upload in uploads])
    assert codes == ["", "", "", *["quota_exceeded"] * (MANY - 3)]
    assert lifecycle.stored_by(user) == 9000
    assert Part.objects.count() == 3


@pytest.mark.usefixtures("slow_check")
def test_lengths_set_at_once_stay_within_the_quota(user: User, settings: Any) -> None:
    settings.QUOTA_BYTES = 10_000
    one, two = (lifecycle.create(user, length=None, metadata=KEPT) for _ in range(2))
    codes = at_once([lambda: lifecycle.tell_length(one, 6000), lambda: lifecycle.tell_length(two, 6000)])
    assert codes == ["", "quota_exceeded"]
    assert lifecycle.stored_by(user) == 6000


@pytest.mark.usefixtures("slow_check")
def test_two_lengths_set_for_one_upload_at_once_leave_one(user: User, settings: Any) -> None:
    settings.QUOTA_BYTES = 10_000
    upload = lifecycle.create(user, length=None, metadata=KEPT)
    same = Upload.objects.get()
    codes = at_once([lambda: lifecycle.tell_length(upload, 6000), lambda: lifecycle.tell_length(same, 7000)])
    assert codes == ["", "bad_length"]
    assert Upload.objects.get().length in (6000, 7000)


def test_a_length_and_a_chunk_at_once_stay_within_the_quota(user: User, settings: Any) -> None:
    settings.QUOTA_BYTES = 10_000
    one, two = (lifecycle.create(user, length=None, metadata=KEPT) for _ in range(2))
    stored = threading.Event()

    class Told(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            # The chunk has been checked. Now the length takes what is left.
            if not stored.is_set():
                lifecycle.tell_length(two, 6000)
                stored.set()
            return super().read(size)

    with pytest.raises(Refusal) as refused:
        parts.append(one, offset=0, size=6000, body=Told(bytes(6000)))
    assert refused.value.code == "quota_exceeded"
    assert lifecycle.stored_by(user) == 6000


def test_a_length_set_while_its_chunk_arrives_is_not_counted_twice(user: User, settings: Any) -> None:
    settings.QUOTA_BYTES = 10_000
    upload = lifecycle.create(user, length=None, metadata=KEPT)

    class Told(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if not self.tell():
                lifecycle.tell_length(Upload.objects.get(), 10_000)
            return super().read(size)

    assert parts.append(upload, offset=0, size=6000, body=Told(bytes(6000))).offset == 6000


def test_many_small_parts_count_what_they_cost(user: User, settings: Any) -> None:
    upload = lifecycle.create(user, length=100, metadata=KEPT)
    for _ in range(50):
        upload = append(upload, b"x")
    assert lifecycle.stored_by(user) == (50 - lifecycle.FREE_PARTS) * 4096
    settings.QUOTA_BYTES = lifecycle.stored_by(user)
    with pytest.raises(Refusal) as refused:
        append(upload, b"x")
    assert (refused.value.code, refused.value.status) == ("quota_exceeded", 413)
    assert Part.objects.count() == 50


def test_a_file_sent_byte_by_byte_is_refused_and_larger_chunks_are_taken(
    tus: Tus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "FREE_PARTS", 5)
    path = tus.created(200_000, Upload_Metadata=KEPT)
    for offset in range(5):
        assert tus.patch(path, b"x", offset).status_code == 204
    refused = tus.patch(path, b"x", 5)
    assert (refused.status_code, refused.json()["code"]) == (400, "chunks_too_small")
    assert tus.patch(path, bytes(65_536), 5).status_code == 204
    assert tus.patch(path, bytes(65_536), 65_541).status_code == 204
    # Two large ones make room for one more of any size after the five.
    assert tus.patch(path, b"x", 131_077).status_code == 400
    # The last one may have any size.
    assert tus.patch(path, bytes(200_000 - 131_077), 131_077).status_code == 204
