"""Removing bytes that nobody needs any more."""

import logging
from datetime import timedelta

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import default_storage
from django.utils import timezone

from uploads.models import Part, Upload

logger = logging.getLogger(__name__)
# An object younger than this may belong to a chunk that is about to be committed.
ORPHAN_AGE = timedelta(hours=6)


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
    removed = 0
    folders, _ = listing("uploads")
    for folder in folders:
        _, files = listing(f"uploads/{folder}")
        names = {f"uploads/{folder}/{file}" for file in files}
        known = set(Part.objects.filter(storage_name__in=names).values_list("storage_name", flat=True))
        for name in names - known:
            if timezone.now() - default_storage.get_modified_time(name) > ORPHAN_AGE:
                default_storage.delete(name)
                removed += 1
    return removed


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
