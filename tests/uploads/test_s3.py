"""Storing in S3 and reading from it: bytes flow, are never lost or doubled, and failures are told as what they are."""

import hashlib
import io
import logging
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import requests
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage

from tests.services import S3
from tests.services.unwell import Unwell
from uploads import s3, streams
from uploads.storage import StorageAway

MIB = 1024 * 1024
NAME = "uploads/1/part"
BUCKET = "salesagg"


def storage() -> s3.Storage:
    return cast(s3.Storage, default_storage)


def noise(size: int) -> bytes:
    """Bytes of which each block is another."""
    block = hashlib.sha256(str(size).encode()).digest() * (MIB // 32)
    return b"".join(number.to_bytes(4) + block for number in range(size // MIB + 1))[:size]


def slices(data: bytes, size: int = 100_000) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def stored(server: S3, name: str = NAME) -> bytes:
    data: bytes = server.client.get_object(Bucket=BUCKET, Key=name)["Body"].read()
    return data


def unfinished(server: S3) -> list[Any]:
    found: list[Any] = server.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    return found


@pytest.fixture
def no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nowhere to put a temporary file."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is not tried again by botocore: its pauses take seconds, and are its own."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


@pytest.mark.parametrize("size", [0, 1, 5 * MIB, s3.PIECE_BYTES, s3.PIECE_BYTES + 1, 2 * s3.PIECE_BYTES])
def test_what_is_stored_is_what_came_whatever_its_size(in_s3: S3, size: int) -> None:
    data = noise(size)
    assert default_storage.save(NAME, streams.Pieces(slices(data))) == NAME
    assert hashlib.sha256(stored(in_s3)).digest() == hashlib.sha256(data).digest()
    assert not unfinished(in_s3)


def test_a_browsers_chunk_takes_one_request(unwell: Unwell) -> None:
    file: File[bytes] = File(io.BytesIO(noise(s3.PIECE_BYTES)))
    default_storage.save(NAME, file)
    assert [(asked.method, asked.received) for asked in unwell.log] == [("PUT", s3.PIECE_BYTES)]


def test_of_what_is_stored_one_piece_is_in_memory_and_nothing_on_disk(in_s3: S3, no_files: None) -> None:
    block = noise(MIB)
    default_storage.exists("to be connected")
    tracemalloc.start()
    try:
        default_storage.save(NAME, streams.Pieces(block for _ in range(80)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(stored(in_s3)) == 80 * MIB
    assert peak < 1.5 * s3.PIECE_BYTES


def test_a_result_is_stored_while_it_is_made(in_s3: S3, no_files: None) -> None:
    lines = 400_000
    default_storage.exists("to be connected")
    tracemalloc.start()
    try:
        default_storage.save(NAME, streams.of_lines(f"Department {number:0>70},1\n" for number in range(lines)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    data = stored(in_s3)
    assert len(data) > 2 * s3.PIECE_BYTES
    assert data.count(b"\n") == lines
    assert data.splitlines()[-1].startswith(b"Department 000")
    assert peak < 1.5 * s3.PIECE_BYTES


def test_a_connection_that_breaks_while_a_chunk_is_sent_costs_nothing(unwell: Unwell, in_s3: S3) -> None:
    data = noise(8 * MIB)
    unwell.faults.append("reset")
    default_storage.save(NAME, streams.Pieces(slices(data)))
    assert stored(in_s3) == data
    assert in_s3.object_names() == [NAME]


def test_a_piece_of_a_large_object_is_sent_again_too(unwell: Unwell, in_s3: S3) -> None:
    data = noise(2 * s3.PIECE_BYTES + 5)
    # It is begun; the first piece is cut off, and then not wanted for a moment.
    unwell.faults += ["", "reset", "slow down"]
    default_storage.save(NAME, streams.Pieces(slices(data, MIB)))
    assert hashlib.sha256(stored(in_s3)).digest() == hashlib.sha256(data).digest()
    assert not unfinished(in_s3)


@pytest.mark.parametrize("fault", ["slow down", "reset"])
def test_what_cannot_be_stored_is_told_and_nothing_is_there(
    unwell: Unwell, in_s3: S3, once: None, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    unwell.always = fault
    with caplog.at_level(logging.ERROR), pytest.raises(StorageAway) as away:
        default_storage.save(NAME, ContentFile(noise(MIB)))
    assert (away.value.status, away.value.headers["Retry-After"]) == (503, "5")
    assert not in_s3.object_names()
    assert "S3 fails at" in caplog.text
    assert "secret" not in caplog.text


def test_while_s3_is_known_not_to_answer_nobody_waits_for_it(unwell: Unwell, once: None) -> None:
    unwell.always = "reset"
    with pytest.raises(StorageAway):
        default_storage.save(NAME, ContentFile(b"1"))
    unwell.always = ""
    del unwell.log[:]
    with pytest.raises(StorageAway):
        default_storage.save(NAME, ContentFile(b"1"))
    assert not unwell.log
    storage()._outage.end()
    default_storage.save(NAME, ContentFile(b"1"))


def test_what_was_sent_of_an_object_that_never_comes_to_be_is_thrown_away(in_s3: S3) -> None:
    def lines() -> Iterator[str]:
        for _number in range(3 * s3.PIECE_BYTES // 4096):
            yield "x" * 4096
        assert unfinished(in_s3)
        raise KeyError("the claim is lost")

    with pytest.raises(KeyError):
        default_storage.save(NAME, streams.of_lines(lines()))
    assert not in_s3.object_names()
    assert not unfinished(in_s3)


@contextmanager
def hearing(event: str, told: Callable[..., None]) -> Iterator[None]:
    """`told` is called before or after a call of S3. All storages of a process share one client."""
    events = storage().client.meta.events
    events.register(event, told)
    yield
    events.unregister(event, told)


def test_what_a_crash_has_left_of_large_objects_is_removed_after_a_while(in_s3: S3) -> None:
    for name in (NAME, "imports/1/of somebody else"):
        in_s3.begin(name)
    assert storage().remove_unfinished("uploads", before=datetime.now(UTC) - timedelta(minutes=5)) == 0
    assert storage().remove_unfinished("uploads", before=datetime.now(UTC) + timedelta(minutes=5)) == 1
    assert [left["Key"] for left in unfinished(in_s3)] == ["imports/1/of somebody else"]


def test_a_store_that_tells_when_an_object_was_begun_is_not_asked_for_its_pieces(in_s3: S3) -> None:
    in_s3.begin(NAME)
    began, asked = datetime.now(UTC), []

    def as_amazon_does(parsed: dict[str, Any], **_rest: Any) -> None:
        for item in parsed["Uploads"]:
            item["Initiated"] = began

    def ask(**_rest: Any) -> None:
        asked.append("pieces")

    with hearing("after-call.s3.ListMultipartUploads", as_amazon_does), hearing("before-call.s3.ListParts", ask):
        assert storage().remove_unfinished("uploads", before=began) == 0
        assert storage().remove_unfinished("uploads", before=began + timedelta(seconds=1)) == 1
    assert not asked
    assert not unfinished(in_s3)


def test_what_becomes_an_object_while_it_is_looked_at_is_left_alone(in_s3: S3) -> None:
    address, etag = in_s3.begin(NAME)

    def complete(**_rest: Any) -> None:
        pieces = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        in_s3.client.complete_multipart_upload(**address, MultipartUpload=pieces)

    with hearing("before-call.s3.ListParts", complete):
        assert storage().remove_unfinished("uploads", before=datetime.now(UTC) + timedelta(minutes=5)) == 0
    assert stored(in_s3) == b"x"


def test_an_object_is_opened_without_being_fetched_and_comes_by_one_request(unwell: Unwell) -> None:
    default_storage.save(NAME, ContentFile(noise(4 * MIB)))
    with default_storage.open(NAME) as file:
        assert file.size == 4 * MIB
        assert not unwell.asked("GET")
        while file.read(256 * 1024):
            pass
    assert len(unwell.asked("GET")) == 1


def test_of_an_object_that_is_read_little_is_in_memory_and_nothing_on_disk(in_s3: S3, no_files: None) -> None:
    data = noise(20 * MIB)
    default_storage.save(NAME, ContentFile(data))
    with default_storage.open(NAME) as file:
        tracemalloc.start()
        digest = hashlib.sha256()
        while piece := file.read(256 * 1024):
            digest.update(piece)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert digest.digest() == hashlib.sha256(data).digest()
    assert peak < 4 * MIB


def test_reading_goes_on_where_it_broke_off(unwell: Unwell) -> None:
    data = noise(6 * MIB)
    default_storage.save(NAME, ContentFile(data))
    with default_storage.open(NAME) as file:
        unwell.faults += ["break", "break"]
        assert file.read(3 * MIB - 1) == data[: 3 * MIB - 1]
        assert file.read() == data[3 * MIB - 1 :]
        file.seek(5)
        assert file.read(3) == data[5:8]
    assert [asked.range for asked in unwell.asked("GET")][-1] == "bytes=5-"


def test_a_range_that_broke_off_is_asked_for_again(unwell: Unwell) -> None:
    data = noise(MIB)
    default_storage.save(NAME, ContentFile(data))
    unwell.faults += ["break", "slow down", "reset"]
    assert storage().read_range(NAME, 1, 999_999) == data[1:1_000_000]


def test_an_object_that_was_changed_while_it_was_read_is_not_read_on(unwell: Unwell, in_s3: S3) -> None:
    default_storage.save(NAME, ContentFile(noise(4 * MIB)))
    with default_storage.open(NAME) as file:
        unwell.faults.append("break")
        file.read(1)
        in_s3.client.put_object(Bucket=BUCKET, Key=NAME, Body=b"another")
        with pytest.raises(FileNotFoundError):
            file.read()


def test_what_is_not_there_cannot_be_opened(in_s3: S3) -> None:
    with pytest.raises(FileNotFoundError):
        default_storage.open(NAME)
    with pytest.raises(ValueError, match="to be read"):
        default_storage.open(NAME, "wb")


def test_who_is_not_let_in_is_not_told_that_something_is_lost(unwell: Unwell, caplog: pytest.LogCaptureFixture) -> None:
    default_storage.save(NAME, ContentFile(b"1"))
    unwell.always = "denied"
    for attempt in (
        lambda: default_storage.exists(NAME),
        lambda: default_storage.open(NAME),
        lambda: storage().read_range(NAME, 0, 1),
        lambda: default_storage.save(NAME, ContentFile(b"1")),
        lambda: default_storage.delete(NAME),
        lambda: default_storage.listdir("uploads"),
        lambda: list(storage().walk("uploads")),
    ):
        with pytest.raises(StorageAway):
            attempt()
    assert "InvalidAccessKeyId" in caplog.text
    assert "secret" not in caplog.text


def test_a_folder_is_walked_in_pages(in_s3: S3) -> None:
    names = [f"jobs/{number % 3}/file-{number:04}" for number in range(1005)]
    for name in names:
        in_s3.client.put_object(Bucket=BUCKET, Key=name, Body=b"")
    found = dict(storage().walk("jobs"))
    assert sorted(found) == sorted(names)
    assert all(abs(datetime.now(UTC) - at) < timedelta(minutes=5) for at in found.values())
    assert list(storage().walk("job")) == []


def test_a_browser_gets_an_object_from_the_store_itself_under_its_name(in_s3: S3) -> None:
    default_storage.save(NAME, ContentFile(b"1,2\n"))
    given: dict[str, Any] = {"filename": 'Köln "1".csv', "content_type": "text/csv; charset=utf-8", "seconds": 60}
    assert storage().download_url(NAME, **given) == ""
    options = {name: getattr(storage(), name) for name in ("access_key", "secret_key", "bucket_name", "client_config")}
    public = s3.Storage(**options, endpoint_url="http://s3.internal:9000", public_url=in_s3.endpoint)
    url = public.download_url(NAME, **given)
    answer = requests.get(url, timeout=20)
    assert answer.content == b"1,2\n"
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=utf-8''K%C3%B6ln%20%221%22.csv"
    assert requests.get(url, headers={"Range": "bytes=2-"}, timeout=20).content == b"2\n"
    assert "X-Amz-Expires=60" in url
    assert "secret" not in url


def test_at_aws_browsers_reach_the_store_by_its_own_address(in_s3: S3) -> None:
    options = {name: getattr(storage(), name) for name in ("access_key", "secret_key", "client_config")}
    there = s3.Storage(**options, bucket_name="sales-files", region_name="eu-central-1")
    url = there.download_url(NAME, filename="x.csv", content_type="text/csv", seconds=60)
    assert url.startswith("https://sales-files.s3.eu-central-1.amazonaws.com/uploads/1/part?")
