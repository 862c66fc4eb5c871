"""Reading a range of an object fetches that range and nothing else, from a file system and from S3."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage

from tests.services import S3
from uploads import ranges
from uploads.storage import StorageAway

MIB = 1024 * 1024
NAME = "imports/1/sales.csv"


@pytest.fixture(params=["files", "s3"])
def storage(request: pytest.FixtureRequest) -> Any:
    """Each kind of storage there is."""
    if request.param == "s3":
        request.getfixturevalue("in_s3")
    return default_storage


class Traffic:
    """What goes between us and S3."""

    def __init__(self) -> None:
        self.operations: list[str] = []
        self.received = 0

    def note(self, parsed: dict[str, Any], model: Any, **kwargs: Any) -> None:
        self.operations.append(model.name)
        if model.name == "GetObject":
            self.received += parsed.get("ContentLength", 0)


@pytest.fixture
def traffic(in_s3: S3) -> Iterator[Traffic]:
    noted = Traffic()
    events = client().meta.events
    events.register("after-call.s3", noted.note)
    yield noted
    events.unregister("after-call.s3", noted.note)


def client() -> Any:
    """What the storage talks to S3 by."""
    storage: Any = default_storage
    return storage.connection.meta.client


def put(data: bytes, name: str = NAME) -> None:
    default_storage.delete(name)
    assert default_storage.save(name, ContentFile(data)) == name


def test_any_range_is_read(storage: Any) -> None:
    put(bytes(range(100)))
    for start, size in [(0, 100), (0, 1), (99, 1), (13, 30), (13, 0)]:
        assert ranges.read(NAME, start, size) == bytes(range(start, start + size))


def test_beyond_the_end_there_is_nothing(storage: Any) -> None:
    put(b"123")
    assert ranges.read(NAME, 1, 10) == b"23"
    try:
        assert ranges.read(NAME, 3, 1) == b""
    except ranges.NotThere:
        assert ranges.is_remote()


def test_what_is_not_there_is_told(storage: Any) -> None:
    with pytest.raises(ranges.NotThere):
        ranges.read(NAME, 0, 1)
    with pytest.raises(ranges.NotThere):
        ranges.look(NAME)


def test_an_object_is_looked_at_and_read_as_it_was(storage: Any) -> None:
    put(b"12345")
    found = ranges.look(NAME)
    assert found.size == 5
    assert ranges.read(NAME, 1, 3, edition=found.edition) == b"234"
    assert ranges.look(NAME) == found


def test_another_edition_is_not_read(storage: Any) -> None:
    put(b"12345")
    found = ranges.look(NAME)
    put(b"12346")
    assert ranges.look(NAME) != found
    with pytest.raises(ranges.NotThere):
        ranges.read(NAME, 0, 5, edition=found.edition)
    assert ranges.read(NAME, 0, 5) == b"12346"


def test_a_window_of_a_large_object_costs_its_own_bytes_and_one_request(traffic: Traffic, in_s3: S3) -> None:
    data = b"".join(number.to_bytes(4) for number in range(16 * MIB // 4))
    in_s3.client.put_object(Bucket="salesagg", Key=NAME, Body=data)
    found = ranges.look(NAME)
    assert (found.size, traffic.received) == (16 * MIB, 0)
    del traffic.operations[:]
    for start in (5 * MIB, 0, 15 * MIB):
        assert ranges.read(NAME, start, MIB, edition=found.edition) == data[start : start + MIB]
    assert traffic.received == 3 * MIB
    assert traffic.operations == ["GetObject"] * 3


def test_an_edition_that_the_store_does_not_check_is_checked_here(in_s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    put(b"12345")
    original = client().get_object
    monkeypatch.setattr(client(), "get_object", lambda IfMatch, **asked: original(**asked))  # noqa: N803
    with pytest.raises(ranges.NotThere):
        ranges.read(NAME, 0, 5, edition='"another"')


def test_a_store_that_fails_is_not_taken_for_one_that_has_lost_something(in_s3: S3) -> None:
    put(b"12345")
    client().meta.events.register_first(
        "before-call.s3", lambda **kwargs: (_Answer(503), {"Error": {}, "ResponseMetadata": {"HTTPStatusCode": 503}})
    )
    for attempt in (lambda: ranges.look(NAME), lambda: ranges.read(NAME, 0, 1)):
        with pytest.raises(StorageAway):
            attempt()


class _Answer:
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


@pytest.mark.parametrize("kind", ["folder", "fifo", "below a file", "loop", "long"])
def test_what_is_no_file_is_not_there(files: Path, kind: str) -> None:
    path = files / NAME
    path.parent.mkdir(parents=True)
    name = NAME
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "below a file":
        path.write_bytes(b"1")
        name = f"{NAME}/x"
    elif kind == "long":
        name = f"imports/1/{'x' * 300}"
    with pytest.raises(ranges.NotThere):
        ranges.look(name)


def test_a_change_while_it_is_read_is_seen(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(b"12345")
    found = ranges.look(NAME)
    original = FileSystemStorage.open

    def opened(storage: FileSystemStorage, name: str, mode: str = "rb") -> Any:
        file = original(storage, name, mode)
        (files / NAME).write_bytes(b"123456")
        return file

    monkeypatch.setattr(FileSystemStorage, "open", opened)
    with pytest.raises(ranges.NotThere):
        ranges.read(NAME, 0, 5, edition=found.edition)
