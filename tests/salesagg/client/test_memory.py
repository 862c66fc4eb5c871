"""What is remembered between two calls of the client."""

import os
import stat
import time
from pathlib import Path

import pytest

from salesagg.client.memory import Memory, fingerprint

URL = "http://localhost:8000"
ADDRESS = f"{URL}/uploads/1/"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "sales.csv"
    path.write_bytes(b"Department,Sales\nToys,1\n")
    return path


def key_of(path: Path, *, url: str = URL, metadata: dict[str, str] | None = None) -> str:
    with path.open("rb") as file:
        return fingerprint(path, file, url=url, metadata=metadata or {"filename": path.name})


def test_the_same_command_over_the_same_file_is_known_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = key_of(path)
    monkeypatch.chdir(tmp_path)
    assert key_of(Path("sales.csv")) == first


def test_anything_else_is_another(path: Path, tmp_path: Path) -> None:
    keys = [
        key_of(path),
        key_of(path, url="http://other:8000"),
        key_of(path, metadata={"filename": path.name, "amounts": "true"}),
    ]
    copy = tmp_path / "copy.csv"
    copy.write_bytes(path.read_bytes())
    keys.append(key_of(copy))
    found = path.stat()
    path.write_bytes(path.read_bytes().replace(b"1", b"2"))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    keys.append(key_of(path))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    keys.append(key_of(path))
    assert len(set(keys)) == len(keys)


def test_addresses_are_kept_until_they_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "uploads"
    Memory(folder).set_item("key", ADDRESS)
    assert Memory(folder).get_item("key") == ADDRESS
    assert Memory(folder).get_item("other") is None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    Memory(folder).remove_item("key")
    Memory(folder).remove_item("key")
    assert Memory(folder).get_item("key") is None
    assert list(folder.iterdir()) == []


def test_old_ones_are_forgotten(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    memory.set_item("old", ADDRESS)
    long_ago = time.time() - 31 * 24 * 3600
    os.utime(tmp_path / "old", (long_ago, long_ago))
    memory.set_item("new", ADDRESS)
    assert [one.name for one in tmp_path.iterdir()] == ["new"]


def test_upload_is_remembered_although_clean_up_fails(tmp_path: Path) -> None:
    long_ago = time.time() - 31 * 24 * 3600
    for name in ("a folder", "b old"):
        path = tmp_path / name
        path.mkdir() if name == "a folder" else path.touch()
        os.utime(path, (long_ago, long_ago))
    Memory(tmp_path).set_item("key", ADDRESS)
    assert Memory(tmp_path).get_item("key") == ADDRESS
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a folder", "key"]


def test_where_nothing_can_be_kept_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    memory = Memory(tmp_path / "file" / "uploads")
    memory.set_item("key", ADDRESS)
    assert memory.get_item("key") is None
    memory.remove_item("key")


@pytest.mark.parametrize("named", [True, False])
def test_it_is_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "named") if named else "")
    Memory().set_item("key", ADDRESS)
    assert (tmp_path / ("named" if named else ".cache") / "salesagg" / "uploads" / "key").exists()
