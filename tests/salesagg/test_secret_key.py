"""The development key is made once and kept to its owner."""

from pathlib import Path

from salesagg.secret_key import read_or_make


def test_it_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key"
    first = read_or_make(path)
    assert len(first) >= 50
    assert read_or_make(path) == first
    assert path.stat().st_mode & 0o077 == 0
    assert list(path.parent.iterdir()) == [path]


def test_each_place_has_its_own(tmp_path: Path) -> None:
    assert read_or_make(tmp_path / "a") != read_or_make(tmp_path / "b")
