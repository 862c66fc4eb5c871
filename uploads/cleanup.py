"""Removing bytes that nobody needs any more."""

import logging
from collections.abc import Callable
from datetime import timedelta
from itertools import islice

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import default_storage
from django.utils import timezone

from uploads import ranges
from uploads.models import Part, Upload

logger = logging.getLogger(__name__)
# An object younger than this may belong to a chunk that is about to be committed.
ORPHAN_AGE = timedelta(hours=6)
# Files that the database is asked about at a time.
PAGE = 500


def remove_parts(upload: Upload) -> None:
    """Delete the parts of an upload that has ended, objects first: what fails is still named and can be tried again.

    Borrowed objects stay: they are not ours.
    """
    for part in upload.parts.all():
        if not part.borrowed:
            default_storage.delete(part.storage_name)
        part.delete()
    remove_folder(upload.parts_folder)


def remove_orphans() -> int:
    """Delete the stored chunks that no part names (their process died before the commit); returns how many."""
    return remove_strays("uploads", named_by_parts)


def remove_strays(folder: str, named: Callable[[list[str]], set[str]]) -> int:
    """Delete what is below `folder` and has been there for long, but for what `named` says is somebody's; returns how
    many.

    Looked at a page at a time. Failure story: a file is stored just before its row is written. It is too young, now
    and in every run until its row is there, or until nobody can be about to write it.
    """
    removed = 0
    before = timezone.now() - ORPHAN_AGE
    old = (name for name, stored in ranges.walk(folder) if stored < before)
    while page := list(islice(old, PAGE)):
        for name in sorted(set(page) - named(page)):
            default_storage.delete(name)
            logger.info("%s was nobody's and is deleted", name)
            removed += 1
    return removed


def remove_unfinished(*folders: str) -> int:
    """Let the storage forget what it was sent of files that never became whole; returns of how many."""
    before = timezone.now() - ORPHAN_AGE
    return sum(ranges.remove_unfinished(folder, before=before) for folder in folders)


def named_by_parts(names: list[str]) -> set[str]:
    return set(Part.objects.filter(storage_name__in=names).values_list("storage_name", flat=True))


def remove_leftovers() -> int:
    """Delete the parts that an ended upload still has, its removal having been cut short; returns how many uploads."""
    ended = Upload.objects.filter(state__in=[Upload.State.EXPIRED, Upload.State.CANCELLED], parts__isnull=False)
    uploads = list(ended.distinct())
    for upload in uploads:
        remove_parts(upload)
    return len(uploads)


def listing(folder: str) -> tuple[list[str], list[str]]:
    """The folders and the files in a folder of the storage; none where there is no such folder."""
    try:
        return default_storage.listdir(folder)
    except FileNotFoundError:
        return [], []


def remove_folder(folder: str) -> None:
    # Object stores have no folders; a file system's stays behind when it is not empty.
    try:
        default_storage.delete(folder)
    except (OSError, SuspiciousFileOperation):
        logger.debug("folder %s stays", folder)
