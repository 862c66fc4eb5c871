"""Files that other programs have put into the storage: read where they are. Nothing is copied, nothing of it deleted.

Each person may import what lies below a prefix of their own (`settings.IMPORT_PREFIX`). A file is complete at once; its
one part borrows the object, as it is now: if it is changed later, jobs that still read it fail.
"""

import logging
import unicodedata

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.errors import Refusal
from accounts.models import User
from uploads import lifecycle, metadata, parts, ranges
from uploads.models import Part, Upload
from uploads.ranges import Found

logger = logging.getLogger(__name__)
USER = "{user}"
# Whatever we write ourselves lies below these.
RESERVED = ("uploads/", "jobs/")
MAX_KEY_BYTES = 1024


def find(owner: User, key: str) -> Found:
    """The object that `owner` may import by `key`. Raises `Refusal` (403, 404)."""
    prefix = prefix_of(owner)
    if not prefix:
        raise Refusal("import_disabled", _("Importing from the storage is switched off here."), status=403)
    try:
        if not (key.startswith(prefix) and _is_plain(key)):
            raise ranges.NotThere
        return ranges.look(key)
    except ranges.NotThere:
        message = _("There is no such object that you may import. Keys begin with “%(prefix)s”.") % {"prefix": prefix}
        raise Refusal("no_such_object", message, status=404) from None


def take(owner: User, key: str, found: Found, *, filename: str = "") -> Upload:
    """An upload that is the object `found` under `key`, complete. It counts towards the quota as others do.

    Raises `Refusal` (413).
    """
    told = metadata.write({"filename": filename or key.rpartition("/")[2]})
    with transaction.atomic():
        upload = lifecycle.create(owner, length=found.size, metadata=told, keep=True)
        if found.size:
            Part.objects.create(
                upload=upload, offset=0, size=found.size, storage_name=key, borrowed=True, edition=found.edition
            )
            Upload.objects.filter(pk=upload.pk).update(offset=found.size)
        upload = parts.finish_if_whole(upload)
    logger.info("upload %s is the object %r", upload.pk, key)
    return upload


def prefix_of(owner: User) -> str:
    """What the keys begin with that `owner` may import; empty where nobody may."""
    if problem_of(settings.IMPORT_PREFIX):
        return ""
    prefix: str = settings.IMPORT_PREFIX.replace(USER, str(owner.pk))
    return prefix


def problem_of(prefix: str) -> str:
    """What is wrong with `prefix` as the one of imports; nothing when it is right."""
    if not prefix.endswith("/"):
        return "does not end with “/”"
    if "{" in prefix.replace(USER, "") or "}" in prefix.replace(USER, ""):
        return f"has another placeholder than {USER}"
    if not _is_plain(prefix + "x"):
        return "is not a plain path"
    if any(prefix.lower().startswith(own) or own.startswith(prefix.lower()) for own in RESERVED):
        return "overlaps with our own files"
    return ""


def _is_plain(key: str) -> bool:
    """Whether `key` is one that every storage takes as it stands."""
    steps = key.split("/")
    strange = any(character == "\\" or unicodedata.category(character) in ("Cc", "Cs") for character in key)
    # Counted last: what cannot be encoded has been found by then.
    return not strange and not any(step in ("", ".", "..") for step in steps) and len(key.encode()) <= MAX_KEY_BYTES
