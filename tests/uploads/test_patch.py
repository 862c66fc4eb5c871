"""PATCH: appending a chunk."""

import errno
import hashlib
import io
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import connection

from accounts.errors import Refusal
from accounts.models import User
from tests.conftest import MakeUpload
from tests.uploads.conftest import Tus
from uploads import lifecycle, parts
from uploads.models import Part, Upload
from uploads.reader import read

pytestmark = pytest.mark.django_db(transaction=True)


def stored(files: Path) -> list[Path]:
    return [path for path in files.rglob("*") if path.is_file()]


def test_chunks_are_appended_until_the_upload_is_complete(tus: Tus) -> None:
    path = tus.created(10)
    first = tus.patch(path, b"12345", 0)
    second = tus.patch(path, b"67890", 5)
    assert (first.status_code, first["Upload-Offset"]) == (204, "5")
    assert (second.status_code, second["Upload-Offset"]) == (204, "10")
    upload = Upload.objects.get()
    assert upload.state == "complete"
    assert upload.completed_at is not None
    assert read(upload, 0, 10) == b"1234567890"
    assert [part.sha256 for part in upload.parts.all()] == [
        hashlib.sha256(data).hexdigest() for data in (b"12345", b"67890")
    ]


def test_an_offset_that_is_not_the_uploads_is_refused_and_nothing_is_stored(tus: Tus, files: Path) -> None:
    path = tus.created(10)
    tus.patch(path, b"123", 0)
    for offset in (0, 2, 4):
        response = tus.patch(path, b"456", offset)
        assert (response.status_code, response.json()["code"]) == (409, "offset_mismatch")
    assert len(stored(files)) == 1
    assert tus.head(path)["Upload-Offset"] == "3"


@pytest.mark.parametrize("offset", [None, "", "x", "-1"])
def test_a_missing_or_malformed_offset_is_refused(tus: Tus, offset: str | None) -> None:
    response = tus.patch(tus.created(10), b"123", Upload_Offset=offset)
    assert (response.status_code, response.json()["code"]) == (400, "bad_upload_offset")


def test_a_chunk_beyond_the_length_is_refused(tus: Tus, files: Path) -> None:
    path = tus.created(10)
    assert tus.patch(path, b"12345678901", 0).status_code == 413
    assert stored(files) == []
    assert tus.patch(path, b"1234567890", 0).status_code == 204


def test_an_empty_chunk_changes_nothing(tus: Tus) -> None:
    path = tus.created(10)
    response = tus.patch(path, b"", 0)
    assert (response.status_code, response["Upload-Offset"]) == (204, "0")
    assert not Part.objects.exists()


@pytest.mark.parametrize("type", ["text/csv", "application/json"])
def test_another_content_type_is_refused(tus: Tus, type: str) -> None:  # noqa: A002
    response = tus.request("PATCH", tus.created(10), b"123", type=type, Upload_Offset="0")
    assert (response.status_code, response.json()["code"]) == (415, "bad_content_type")


def test_a_chunk_over_the_cap_is_refused(tus: Tus, settings: Any) -> None:
    settings.MAX_BODY_BYTES = 4
    response = tus.patch(tus.created(10), b"12345", 0)
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


def test_the_length_may_be_told_with_any_chunk(tus: Tus) -> None:
    path = tus.created(None, Upload_Defer_Length="1")
    tus.patch(path, b"123", 0)
    assert tus.patch(path, b"45", 3, Upload_Length="5").status_code == 204
    assert Upload.objects.get().state == "complete"


def test_the_length_may_be_told_after_the_last_byte(tus: Tus) -> None:
    path = tus.created(None, Upload_Defer_Length="1")
    tus.patch(path, b"123", 0)
    assert tus.patch(path, b"", 3, Upload_Length="3").status_code == 204
    assert Upload.objects.get().state == "complete"


@pytest.mark.parametrize("length", ["2", "11"])
def test_a_length_cannot_change_or_be_less_than_what_came(tus: Tus, length: str) -> None:
    path = tus.created(10)
    tus.patch(path, b"123", 0)
    response = tus.patch(path, b"4", 3, Upload_Length=length)
    assert (response.status_code, response.json()["code"]) == (400, "bad_length")


def test_an_upload_of_deferred_length_stays_within_the_quota(tus: Tus, settings: Any) -> None:
    settings.QUOTA_BYTES = 5
    path = tus.created(None, Upload_Defer_Length="1")
    assert tus.patch(path, b"12345", 0).status_code == 204
    assert tus.patch(path, b"6", 5).json()["code"] == "quota_exceeded"


def test_old_proxies_may_send_it_as_post_with_an_override(tus: Tus) -> None:
    path = tus.created(3)
    response = tus.request("POST", path, b"123", X_HTTP_Method_Override="PATCH", Upload_Offset="0")
    assert response.status_code == 204


@pytest.mark.parametrize(
    ("method", "override"), [("POST", "GET"), ("POST", "PUT"), ("GET", "PATCH"), ("PUT", "DELETE")]
)
def test_an_override_from_or_to_another_method_is_none(tus: Tus, method: str, override: str) -> None:
    path = tus.created(3)
    assert tus.request(method, path, X_HTTP_Method_Override=override).status_code == 405


def test_somebody_elses_upload_looks_like_none(tus: Tus, strangers_tus: Tus, files: Path) -> None:
    path = tus.created(10)
    assert strangers_tus.patch(path, b"123", 0).status_code == 404
    assert stored(files) == []


def test_nobody_is_refused(tus: Tus, nobody: Tus) -> None:
    assert nobody.patch(tus.created(10), b"123", 0).status_code == 401


def test_a_cancelled_upload_takes_no_more(tus: Tus) -> None:
    path = tus.created(10)
    tus.delete(path)
    assert tus.patch(path, b"123", 0).status_code == 410


def test_a_body_that_ends_early_is_refused_and_nothing_is_kept(make_upload: MakeUpload, files: Path) -> None:
    upload = make_upload(b"123456", chunk=3, whole=False)
    with pytest.raises(Refusal) as refused:
        parts.append(upload, offset=3, size=3, body=io.BytesIO(b"4"))
    assert (refused.value.status, refused.value.code) == (400, "body_too_short")
    assert len(stored(files)) == 1


def test_a_full_storage_keeps_the_earlier_parts(tus: Tus, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tus.created(6)
    tus.patch(path, b"123", 0)

    def full(*args: object, **kwargs: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(FileSystemStorage, "save", full)
        response = tus.patch(path, b"456", 3)
        assert (response.status_code, response.json()["code"]) == (507, "storage_full")
    assert tus.head(path)["Upload-Offset"] == "3"
    assert tus.patch(path, b"456", 3).status_code == 204


def test_of_many_clients_that_send_the_same_chunk_at_once_one_wins(user: User, files: Path) -> None:
    upload = lifecycle.create(user, length=1000)
    clients = 8
    barrier = threading.Barrier(clients)
    answers: list[str] = []

    def send() -> None:
        own = Upload.objects.get(pk=upload.pk)
        barrier.wait(10)
        try:
            parts.append(own, offset=0, size=500, body=io.BytesIO(b"x" * 500))
            answers.append("stored")
        except Refusal as refusal:
            answers.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answers) == ["offset_mismatch"] * (clients - 1) + ["stored"]
    assert Part.objects.count() == 1
    assert len(stored(files)) == 1


def test_a_chunk_that_was_being_stored_when_the_upload_was_cancelled_is_not_committed(user: User, files: Path) -> None:
    upload = lifecycle.create(user, length=6)

    class CancelsWhileRead(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() == 0:
                lifecycle.cancel(Upload.objects.get(pk=upload.pk))
            return super().read(size)

    with pytest.raises(Refusal) as refused:
        parts.append(upload, offset=0, size=3, body=CancelsWhileRead(b"123"))
    assert refused.value.status == 410
    assert stored(files) == []


def test_a_listener_that_fails_does_not_harm_what_was_stored(
    tus: Tus, files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from uploads.signals import part_stored

    def failing(**kwargs: object) -> None:
        raise RuntimeError("a listener's defect")

    part_stored.connect(failing)
    try:
        path = tus.created(3)
        assert tus.patch(path, b"123", 0).status_code == 204
    finally:
        part_stored.disconnect(failing)
    assert Upload.objects.get().state == "complete"
    assert len(stored(files)) == 1
    assert "a listener's defect" in caplog.text
