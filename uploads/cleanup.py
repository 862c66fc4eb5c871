"""Removing bytes that nobody needs any more."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import islice

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import default_storage
from django.utils import timezone

from accounts.errors import Refusal
from salesagg.core import disk
from uploads import ranges
from uploads.models import Part, Removal, Upload

logger = logging.getLogger(__name__)
# An object younger than this may belong to a chunk that is about to be committed.
ORPHAN_AGE = timedelta(hours=6)
# Files that are deleted, or that the database is asked about, at a time. S3 deletes as many by one request.
PAGE = 1000
# How long one sweep deletes. Workers have other things to do too.
SWEEP_SECONDS = 10.0


def begin_removal(upload: Upload) -> None:
    """Delete the first page of the parts of an upload that has ended. Of a file of many parts the sweep deletes the
    rest: a client waits for the answer meanwhile, and 100 GB are some thousand parts."""
    removal = Removal.objects.select_related("upload").filter(upload=upload.pk).first()
    # If there is none, the sweep was faster.
    if removal is not None:
        _remove_page(removal)


def finish_removals(*, seconds: float = SWEEP_SECONDS) -> int:
    """Delete what ended uploads still have, for about so many seconds; returns how many uploads were finished.

    Several workers may do so at once: what one has deleted is nothing to the other.
    """
    until = time.monotonic() + seconds
    finished = 0
    for removal in Removal.objects.select_related("upload")[:PAGE]:
        try:
            while not _remove_page(removal):
                if time.monotonic() > until:
                    return finished
        except (OSError, Refusal):
            # The storage is unavailable, or one file cannot be deleted. The others need not wait for it.
            logger.exception("upload %s: its bytes are not all deleted", removal.upload_id)
        else:
            finished += 1
        if time.monotonic() > until:
            break
    return finished


def _remove_page(removal: Removal) -> bool:
    """Delete some parts of an upload, objects first: what fails is still named and is tried again. Returns whether none
    is left. Borrowed objects stay: they are not ours."""
    disk.make_room()
    parts = list(Part.objects.filter(upload=removal.upload_id).values_list("pk", "storage_name", "borrowed")[:PAGE])
    if parts:
        ranges.delete(name for _pk, name, borrowed in parts if not borrowed)
        Part.objects.filter(pk__in=[pk for pk, _name, _borrowed in parts]).delete()
    if len(parts) == PAGE:
        return False
    remove_folder(removal.upload.parts_folder)
    if removal.whole:
        Upload.objects.filter(pk=removal.upload_id).delete()
        logger.info("upload %s removed", removal.upload_id)
    else:
        Removal.objects.filter(pk=removal.pk).delete()
    return True


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
        strays = sorted(set(page) - named(page))
        ranges.delete(strays)
        for name in strays:
            logger.info("%s was nobody's and is deleted", name)
        removed += len(strays)
    return removed


def remove_unfinished(*folders: str) -> int:
    """Let the storage forget what it was sent of files that never became whole; returns of how many."""
    before = timezone.now() - ORPHAN_AGE
    return sum(ranges.remove_unfinished(folder, before=before) for folder in folders)


def named_by_parts(names: list[str]) -> set[str]:
    return set(Part.objects.filter(storage_name__in=names).values_list("storage_name", flat=True))


def remove_leftovers() -> int:
    """Delete the parts that an ended upload still has, its removal having been cut short; returns how many uploads.

    Versions before had no rows for removals, and left such parts.
    """
    ended = Upload.objects.filter(state__in=[Upload.State.EXPIRED, Upload.State.CANCELLED], parts__isnull=False)
    for upload in ended.filter(removal=None).distinct():
        Removal.objects.get_or_create(upload=upload)
    return finish_removals(seconds=float("inf"))


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
