"""Static files: npm's by an allowlist, ours with hashed names, collected only when something changed."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.core.exceptions import SuspiciousFileOperation
from django.core.management import call_command

from salesagg import staticfiles


@pytest.fixture
def static_root(settings: Any, tmp_path: Path) -> Path:
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "salesagg.staticfiles.HashedStorage"}}
    settings.STATIC_ROOT = tmp_path / "static"
    return tmp_path / "static"


def test_only_listed_package_files_are_found() -> None:
    assert str(finders.find("packages/tus.min.js")).endswith("tus-js-client/dist/tus.min.js")
    assert finders.find("packages/tus.js") is None
    with pytest.raises(SuspiciousFileOperation):
        finders.find("../package.json")


def test_collected_modules_import_each_other_by_their_hashed_names(static_root: Path) -> None:
    staticfiles.collect_if_changed()
    [dashboard] = (static_root / "js").glob("dashboard.*.js")
    [cards] = (static_root / "js").glob("cards.*.js")
    assert f'from "./{cards.name}"' in dashboard.read_text()
    assert list((static_root / "packages").glob("bootstrap.min.*.css.gz"))


def test_collecting_happens_again_only_after_a_change(
    static_root: Path, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "note.txt").write_text("one")
    settings.STATICFILES_DIRS = [source]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    finders.get_finder.cache_clear()  # type: ignore[attr-defined]
    calls = []

    def counted(*args: Any, **kwargs: Any) -> None:
        calls.append(args)
        call_command(*args, **kwargs)

    monkeypatch.setattr(staticfiles, "call_command", counted)
    staticfiles.collect_if_changed()
    staticfiles.collect_if_changed()
    assert len(calls) == 1
    (source / "note.txt").write_text("changed")
    staticfiles.collect_if_changed()
    assert len(calls) == 2
    finders.get_finder.cache_clear()  # type: ignore[attr-defined]
