"""Static files without a build step: npm's files by an allowlist, our modules with hashed names."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder, get_finders
from django.core.files.storage import FileSystemStorage, Storage
from django.core.management import call_command
from whitenoise.storage import CompressedManifestStaticFilesStorage


class PackageFinder(BaseFinder):
    """Finds `settings.STATIC_PACKAGES` in node_modules: a name a page uses -> the one file it stands for."""

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        target = settings.STATIC_PACKAGES.get(path)
        found = [str(settings.STATIC_PACKAGES_ROOT / target)] if target else []
        return found if find_all else (found[0] if found else [])

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterable[tuple[str, Storage]]:
        for name, target in settings.STATIC_PACKAGES.items():
            yield name, _OneFile(name, Path(settings.STATIC_PACKAGES_ROOT) / target)


class _OneFile(FileSystemStorage):
    """A storage that holds one file under a name of ours."""

    prefix = ""

    def __init__(self, name: str, target: Path) -> None:
        super().__init__(location=str(target.parent))
        self._names = {name: target.name}

    def path(self, name: str) -> str:
        return super().path(self._names[name])


class HashedStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Names with hashes, so that browsers may keep files for ever; imports in our own modules are rewritten to them.

    Only in ours: the patterns for JavaScript imports trip over minified third-party files.
    """

    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        ("js/*.js", CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1]),
    )


def collect_if_changed() -> None:
    """Run `collectstatic` unless nothing has changed since it last ran: hashing and compressing take seconds."""
    fingerprint = _fingerprint()
    stamp = Path(settings.STATIC_ROOT) / ".fingerprint"
    if stamp.exists() and stamp.read_text() == fingerprint:
        return
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    stamp.write_text(fingerprint)


def _fingerprint() -> str:
    """Changes when a static file is added, removed or written, or the way they are collected."""
    seen = hashlib.sha256(Path(__file__).read_bytes())
    for finder in get_finders():
        for name, storage in finder.list([]):
            status = Path(storage.path(name)).stat()
            seen.update(f"{name} {status.st_mtime_ns} {status.st_size}\n".encode())
    return seen.hexdigest()
