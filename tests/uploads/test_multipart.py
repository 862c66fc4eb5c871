"""A file in one request: stored while the request is parsed, and not at all when anything is wrong."""

import errno
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, connection, transaction
from django.test import AsyncRequestFactory, Client

from accounts.models import User
from tests.conftest import append
from uploads import lifecycle, multipart, parts
from uploads.models import Part, Upload
from uploads.reader import read

pytestmark = pytest.mark.django_db(transaction=True)
FILES = "/api/files"
DATA = b"Department,Sales\r\nToys,3\r\n" * 40_000
MIB = 1024 * 1024
TYPE = "multipart/form-data; boundary=frontier"


class Programs:
    """A program that sends forms; `token` is whose."""

    def __init__(self, token: str) -> None:
        self.headers = {"Authorization": f"Bearer {token}"}
        self.client = Client(raise_request_exception=False)

    def send(self, fields: dict[str, Any], **headers: str) -> Any:
        return self.client.post(FILES, fields, headers=self.headers | headers)

    def send_raw(self, body: bytes, content_type: str = TYPE, **extra: Any) -> Any:
        # Django's client leaves the type out where there is no body; programs do not.
        environ: dict[str, Any] = {"CONTENT_TYPE": content_type, **extra}
        return self.client.generic("POST", FILES, body, content_type=content_type, headers=self.headers, **environ)


@pytest.fixture
def program(token: str) -> Programs:
    return Programs(token)


def file(data: bytes = DATA, name: str = "sales.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


def raw(*sections: tuple[str, bytes], end: bytes = b"--frontier--\r\n") -> bytes:
    """A body of sections with these dispositions and contents."""
    return (
        b"".join(
            b"--frontier\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (disposition.encode(), content)
            for disposition, content in sections
        )
        + end
    )


def nothing_is_left(files: Path) -> bool:
    return not (
        Upload.objects.exists() or Part.objects.exists() or [path for path in files.rglob("*") if path.is_file()]
    )


def refused(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a file of a megabyte has several."""
    monkeypatch.setattr(multipart, "PART_BYTES", 256 * 1024)


@pytest.mark.usefixtures("small_parts")
def test_it_is_stored_in_parts_and_read_back_byte_for_byte(program: Programs, user: User) -> None:
    response = program.send({"file": file()})
    upload = Upload.objects.get()
    assert response.status_code == 201
    assert response["Location"] == f"/api/files/{upload.pk}"
    told = response.json()
    assert told.pop("createdAt") < told.pop("completedAt")
    assert told == {
        "fileKey": str(upload.pk),
        "fileName": "sales.csv",
        "state": "complete",
        "size": len(DATA),
        "receivedBytes": len(DATA),
        "keep": True,
        "expiresAt": None,
    }
    assert (upload.owner, upload.state, upload.offset) == (user, "complete", len(DATA))
    assert upload.parts.count() > 2
    assert read(upload, 0, len(DATA)) == DATA


def test_no_job_is_made_of_it(program: Programs) -> None:
    program.send({"file": file()})
    assert not Upload.objects.get().jobs.exists()


def test_an_empty_file_is_a_file(program: Programs) -> None:
    assert program.send_raw(raw(('name="file"; filename="none.csv"', b""))).json()["size"] == 0
    assert Upload.objects.get().state == "complete"


class Coming(io.RawIOBase):
    """A body of which each piece is made only when it is asked for."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def read(self, size: int = -1) -> bytes:
        while (size < 0 or len(self._left) < size) and (piece := next(self._pieces, b"")):
            self._left += piece
        size = len(self._left) if size < 0 else size
        data, self._left = self._left[:size], self._left[size:]
        return data


def test_it_is_stored_while_the_request_is_still_coming(program: Programs, files: Path) -> None:
    head = b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    tail = b"\r\n--frontier--\r\n"
    elsewhere: list[int] = []

    def pieces() -> Iterator[bytes]:
        yield head
        for come in range(30):
            elsewhere.append(come * MIB - sum(path.stat().st_size for path in files.rglob("*") if path.is_file()))
            yield b"x" * MIB
        yield tail

    length = len(head) + 30 * MIB + len(tail)
    environ: dict[str, Any] = {"wsgi.input": Coming(pieces()), "CONTENT_LENGTH": str(length)}
    response = program.send_raw(b"", **environ)
    assert response.status_code == 201
    assert Upload.objects.get().offset == 30 * MIB
    # At no moment more than a part, and what is on its way to it, had come without being in the storage.
    assert len(elsewhere) == 30
    assert max(elsewhere) <= multipart.PART_BYTES + MIB


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Köln.csv", "Köln.csv"),
        ("C:\\fakepath\\sales.csv", "sales.csv"),
        ("../../etc/passwd", "passwd"),
        ("a\tb\x01.csv", "ab.csv"),
        ("Q&amp;A.csv", "Q&amp;A.csv"),
        ("x" * 300 + ".csv", "x" * 255),
    ],
)
def test_names_are_kept_as_those_of_all_uploads(program: Programs, name: str, kept: str) -> None:
    assert program.send_raw(raw((f'name="file"; filename="{name}"', b"1"))).json()["fileName"] == kept


def test_a_name_written_by_rfc_2231_is_read(program: Programs) -> None:
    response = program.send_raw(raw(("name=\"file\"; filename*=utf-8''K%C3%B6ln.csv", b"1")))
    assert response.json()["fileName"] == "Köln.csv"


def test_a_body_without_a_length_is_read_to_its_end(user: User) -> None:
    body = raw(('name="file"; filename="a.csv"', b"123"))
    request = AsyncRequestFactory().generic("POST", FILES, body, content_type=TYPE)
    # So Daphne gives Django the body of a request in HTTP chunks.
    del request.META["CONTENT_LENGTH"]
    with multipart.receiving(request, user) as form, transaction.atomic():
        assert read(form.complete(), 0, 3) == b"123"


WRONG: dict[str, tuple[bytes, str, int, str]] = {
    "no field of the name": (raw(('name="other"; filename="a.csv"', b"1")), TYPE, 422, "unknown_field"),
    "no file": (raw(), TYPE, 400, "file_missing"),
    "a field that is no file": (raw(('name="file"', b"1")), TYPE, 400, "file_missing"),
    "a file field left empty": (raw(('name="file"; filename=""', b"")), TYPE, 400, "file_missing"),
    "two files": (raw(*[('name="file"; filename="a.csv"', b"1")] * 2), TYPE, 400, "one_file_only"),
    "a further field": (raw(('name="file"; filename="a.csv"', b"1"), ('name="x"', b"1")), TYPE, 422, "unknown_field"),
    "not multipart": (b'{"file": 1}', "application/json", 415, "not_multipart"),
    "a form of another kind": (b"file=1", "application/x-www-form-urlencoded", 415, "not_multipart"),
    "another multipart": (raw(), "multipart/mixed; boundary=frontier", 415, "not_multipart"),
    "no type": (b"", "", 415, "not_multipart"),
    "no boundary": (raw(), "multipart/form-data", 400, "bad_multipart"),
    "a boundary that is none": (raw(), "multipart/form-data; boundary=" + "x" * 300, 400, "bad_multipart"),
    "an empty body": (b"", TYPE, 400, "bad_multipart"),
    "another boundary": (raw(('name="file"; filename="a.csv"', b"1")), TYPE + "s", 400, "bad_multipart"),
    "cut off": (raw(('name="file"; filename="a.csv"', DATA), end=b""), TYPE, 400, "bad_multipart"),
    "cut off in the mark": (
        raw(('name="file"; filename="a.csv"', b"1"), end=b"--frontier-"),
        TYPE,
        400,
        "bad_multipart",
    ),
    "cut off after a field": (
        raw(('name="file"; filename="a.csv"', DATA), ('name="department"', b"Reg"), end=b""),
        TYPE,
        400,
        "bad_multipart",
    ),
    "a head without end": (b"--frontier\r\nContent-Disposition: " + b"x" * 5000, TYPE, 400, "bad_multipart"),
    "base64 that is none": (
        raw(('name="file"; filename="a"\r\nContent-Transfer-Encoding: base64', b"A")),
        TYPE,
        400,
        "bad_multipart",
    ),
    "too many fields": (
        raw(('name="file"; filename="a.csv"', DATA), *[('name="x"', b"")] * 1100),
        TYPE,
        400,
        "too_many_fields",
    ),
    "a field too large": (
        raw(('name="file"; filename="a.csv"', DATA), ('name="x"', b"1" * 3 * MIB)),
        TYPE,
        413,
        "fields_too_large",
    ),
}


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told_and_leaves_nothing_behind(program: Programs, files: Path, what: str) -> None:
    body, content_type, status, code = WRONG[what]
    assert refused(program.send_raw(body, content_type)) == (status, code)
    assert nothing_is_left(files)


def test_a_body_over_the_limit_is_told_where_to_go(program: Programs, settings: Any, files: Path) -> None:
    settings.MAX_BODY_BYTES = 1000
    response = program.send({"file": file()})
    assert refused(response) == (413, "body_too_large")
    assert "/uploads/" in response.json()["detail"]
    assert nothing_is_left(files)


@pytest.mark.usefixtures("small_parts")
def test_a_file_over_the_quota_leaves_nothing_behind(program: Programs, settings: Any, files: Path) -> None:
    settings.QUOTA_BYTES = len(DATA) - 1
    assert refused(program.send({"file": file()})) == (413, "quota_exceeded")
    assert nothing_is_left(files)
    settings.QUOTA_BYTES = len(DATA)
    assert program.send({"file": file()}).status_code == 201
    assert refused(program.send({"file": file(b"1")})) == (413, "quota_exceeded")
    assert Upload.objects.count() == 1


def test_a_file_over_the_maximum_leaves_nothing_behind(program: Programs, settings: Any, files: Path) -> None:
    settings.MAX_UPLOAD_BYTES = 100
    assert refused(program.send({"file": file()})) == (413, "too_large")
    assert nothing_is_left(files)


def storage_that_fails(monkeypatch: pytest.MonkeyPatch, error: Exception, *, after: int) -> None:
    """Storing works `after` times, then no more."""
    save = FileSystemStorage.save
    done = 0

    def failing(storage: FileSystemStorage, name: str, content: Any, max_length: int | None = None) -> str:
        nonlocal done
        done += 1
        if done > after:
            raise error
        return save(storage, name, content, max_length)

    monkeypatch.setattr(FileSystemStorage, "save", failing)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("after", [0, 2])
def test_a_full_storage_leaves_nothing_behind(
    program: Programs, files: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    storage_that_fails(monkeypatch, OSError(errno.ENOSPC, "full"), after=after)
    response = program.send({"file": file()})
    assert refused(response) == (507, "storage_full")
    assert "Nothing of the file was kept" in response.json()["detail"]
    assert nothing_is_left(files)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("after", [0, 2])
def test_a_storage_that_is_away_leaves_nothing_behind(
    program: Programs, files: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    storage_that_fails(monkeypatch, OSError("away"), after=after)
    assert refused(program.send({"file": file()})) == (500, "server_error")
    assert nothing_is_left(files)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("step", ["tell_length", "check_quota"])
def test_a_database_that_fails_leaves_nothing_behind(
    program: Programs, files: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def failing(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(lifecycle, step, failing)
    assert refused(program.send({"file": file()})) == (500, "server_error")
    assert nothing_is_left(files)


@pytest.mark.usefixtures("small_parts")
def test_what_its_owner_does_with_it_meanwhile_is_respected(
    program: Programs, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = parts.append
    taken: list[Callable[[Upload], Any]] = [lifecycle.delete, lambda upload: append(upload, b"more")]

    def meddled(upload: Upload, **kwargs: Any) -> Upload:
        appended = original(upload, **kwargs)
        if kwargs["offset"] == 0 and taken:
            monkeypatch.setattr(parts, "append", original)
            taken.pop(0)(Upload.objects.get())
            monkeypatch.setattr(parts, "append", meddled)
        return appended

    monkeypatch.setattr(parts, "append", meddled)
    assert refused(program.send({"file": file()})) == (410, "gone")
    assert nothing_is_left(files)
    assert refused(program.send({"file": file()})) == (409, "offset_mismatch")
    assert nothing_is_left(files)


def test_two_that_come_at_once_do_not_both_fit_into_the_quotas_last_gap(
    program: Programs, token: str, settings: Any, files: Path
) -> None:
    settings.QUOTA_BYTES = len(DATA) + 10
    told: list[int] = []
    both = threading.Barrier(2)

    def send() -> None:
        other = Programs(token)
        both.wait(20)
        told.append(other.send({"file": file()}).status_code)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told.count(201) <= 1
    assert set(told) <= {201, 413}
    assert lifecycle.stored_by(User.objects.get()) == len(DATA) * told.count(201)
    assert Upload.objects.count() == told.count(201)


def test_asked_again_with_the_same_key_it_is_stored_once(program: Programs) -> None:
    first = program.send({"file": file()}, **{"Idempotency-Key": "march"})
    second = program.send({"file": file()}, **{"Idempotency-Key": "march"})
    assert (second.status_code, second.json(), second["Location"]) == (201, first.json(), first["Location"])
    assert Upload.objects.count() == 1
    assert program.send({"file": file()}, **{"Idempotency-Key": "april"}).json() != first.json()


def test_what_was_refused_may_be_asked_again_with_the_same_key(program: Programs, settings: Any) -> None:
    settings.QUOTA_BYTES = 10
    assert program.send({"file": file()}, **{"Idempotency-Key": "march"}).status_code == 413
    settings.QUOTA_BYTES = 10**9
    assert program.send({"file": file()}, **{"Idempotency-Key": "march"}).status_code == 201


def test_nobody_is_refused(files: Path) -> None:
    response = Client().post(FILES, {"file": file()})
    assert refused(response) == (401, "unauthorized")
    assert nothing_is_left(files)


def test_a_session_needs_its_csrf_token_in_the_header(user: User, files: Path) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    client.get("/")
    csrf = client.cookies["csrftoken"].value
    body = {"file": file(), "csrfmiddlewaretoken": csrf}
    assert refused(client.post(FILES, body)) == (403, "csrf_failed")
    assert nothing_is_left(files)
    assert client.post(FILES, {"file": file()}, headers={"X-CSRFToken": csrf}).status_code == 201
