"""What happens to an upload besides its parts: creation, its length told late, cancelling, expiry, removal."""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit, holdings
from accounts.acts import Act
from accounts.errors import Refusal
from accounts.models import User
from accounts.numbers import size
from accounts.ownership import hold_owner
from salesagg.core import disk
from uploads import cleanup
from uploads.metadata import filename_in, parse, wants_keeping
from uploads.models import Removal, Upload
from uploads.signals import upload_created, upload_removed, upload_removing
from uploads.storage import StorageFull

logger = logging.getLogger(__name__)
State = Upload.State
# Uploads whose bytes are there, or still coming.
STORED = (State.RECEIVING, State.COMPLETE)
# What each part counts at least against the quota: a block of a file system. The first parts of an upload are counted
# by their bytes alone, so that small files count what people see.
PART_COST_BYTES = 4096
FREE_PARTS = 16


def create(owner: User, *, length: int | None, metadata: str = "", keep: bool = False) -> Upload:
    """Create an upload of `length` bytes (None: told later) for `owner`, and all that listeners make with it.

    `keep` is for a file that is stored for its own sake; the metadata may ask for it too, by ``keep`` with ``true``.
    The length is reserved against the owner's quota in the same transaction. Raises `Refusal` (400, 413, 429,
    507).
    """
    pairs = parse(metadata)
    filename = filename_in(pairs)
    if length is not None:
        check_length(length)
    if disk.is_low():
        raise StorageFull
    with transaction.atomic():
        # Two uploads that start at once must not both fit into the quota's last gap: the second waits here.
        hold_owner(owner.pk)
        _check_unfinished(owner)
        check_quota(owner, more=length or 0)
        upload = Upload.objects.create(
            owner=owner,
            length=length,
            filename=filename,
            metadata=metadata,
            keep=keep or wants_keeping(pairs),
            expires_at=expiry(),
        )
        if upload.keep:
            # Of others the job that is made of them tells.
            _record(Act.FILE_STORED, upload)
        upload_created.send(Upload, upload=upload)
    return upload


def tell_length(upload: Upload, length: int) -> Upload:
    """Fix the length of an upload that had deferred it. Raises `Refusal` (400, 410, 413).

    The quota is checked and the length recorded while the owner's row is held. Failure story: two uploads, or two
    requests for one upload, set their lengths at once. Each saw the quota without the other, and both fitted.
    """
    check_length(length)
    with transaction.atomic():
        owner = hold_owner(upload.owner_id)
        upload.refresh_from_db()
        if length < upload.offset:
            raise Refusal("bad_length", f"{upload.offset} bytes have come already; the length is less.", status=400)
        if upload.length is None and upload.state == State.RECEIVING:
            check_quota(owner, more=length - upload.offset)
        unset = Upload.objects.filter(pk=upload.pk, length=None, state=State.RECEIVING, offset__lte=length)
        unset.update(length=length)
    upload.refresh_from_db()
    if upload.length != length:
        if upload.state != State.RECEIVING:
            raise gone(upload)
        raise Refusal("bad_length", f"The upload's length is {upload.length} and cannot change.", status=400)
    return upload


def cancel(upload: Upload) -> None:
    """End the upload and remove its bytes, received so far or whole. Raises `Refusal` (410) when it is gone already."""
    if not _end(upload, State.CANCELLED, from_states=STORED):
        raise gone(upload)


def delete(upload: Upload) -> None:
    """Remove a file with its bytes, at its owner's wish; where others have rows that name it, its row stays, cancelled.

    Raises `Refusal`: 409 when somebody still reads it, 410 when it is gone already.
    """
    disk.make_room()
    with transaction.atomic():
        # Held, so that nobody begins to read it meanwhile.
        there = Upload.objects.select_for_update().filter(pk=upload.pk).first()
        if there is None or there.state not in STORED:
            raise gone(there or upload)
        named = any(answer for _receiver, answer in upload_removing.send(Upload, upload=there))
        abandon(there, whole=not named)
        _record(Act.FILE_DELETED, there)
        there.state = State.CANCELLED
        transaction.on_commit(lambda: upload_removed.send_robust(Upload, upload=there))
    cleanup.begin_removal(there)
    logger.info("upload %s deleted", there.pk)


def let_go(upload: Upload) -> None:
    """Store it no longer for its own sake: it goes with its last reader."""
    Upload.objects.filter(pk=upload.pk).update(keep=False)
    upload.keep = False


def abandon(upload: Upload, *, whole: bool = True) -> None:
    """Accept nothing more for `upload` and count it no more; for a transaction that ends with its last reader.

    From here on the sweep deletes its bytes, and with `whole` its row, if nobody does before.
    """
    with transaction.atomic():
        # Held, since the sweep may be deleting it.
        if Upload.objects.select_for_update().filter(pk=upload.pk).first() is not None:
            Upload.objects.filter(pk=upload.pk, state__in=STORED).update(state=State.CANCELLED)
            Removal.objects.update_or_create(upload=upload, defaults={"whole": whole})


def remove(upload: Upload) -> None:
    """Delete an upload that was abandoned, its bytes first. Of a file of many parts the rest is left to the sweep."""
    cleanup.begin_removal(upload)


def expire_overdue() -> int:
    """End the unfinished uploads that have received nothing for too long; returns how many."""
    overdue = Upload.objects.filter(state=State.RECEIVING, expires_at__lt=timezone.now())
    return sum(_end(upload, State.EXPIRED, from_states=(State.RECEIVING,)) for upload in overdue[:100])


def expiry() -> datetime:
    """When an upload that receives something now will be given up."""
    return timezone.now() + timedelta(hours=settings.UPLOAD_EXPIRES_HOURS)


def stored_by(owner: User) -> int:
    """Bytes that `owner` stores, unfinished uploads counted at their announced length, and uploads of many small parts
    at what their parts cost."""
    parts_cost = (F("part_count") - FREE_PARTS) * PART_COST_BYTES
    reserved = Greatest(Coalesce(F("length"), F("offset")), parts_cost)
    kept = owner.uploads.filter(state__in=STORED)
    return kept.aggregate(used=Sum(reserved))["used"] or 0


def growth(upload: Upload, *, by: int) -> int:
    """How much more `upload` counts against the quota with another part of `by` bytes: nothing, usually, where the
    length is known, since the length was counted when it became known."""
    before = _counted(upload.length, upload.offset, upload.part_count)
    return _counted(upload.length, upload.offset + by, upload.part_count + 1) - before


def reserve(upload: Upload, *, by: int) -> None:
    """Check the quota for a part of `by` bytes that the current transaction commits. Raises `Refusal` (404, 413).

    The owner's row is held until the part is recorded. Failure story: four chunks of uploads of unknown length arrive
    at once. Each saw the quota without the other three, and 24 MB were stored under a quota of 10.
    """
    if growth(upload, by=by) <= 0:
        return
    owner = hold_owner(upload.owner_id)
    # The length may have been set, and so counted, since the upload was loaded.
    now = Upload.objects.filter(pk=upload.pk).first()
    if now is not None:
        check_quota(owner, more=growth(now, by=by))


def _counted(length: int | None, offset: int, part_count: int) -> int:
    return max(offset if length is None else length, (part_count - FREE_PARTS) * PART_COST_BYTES)


def check_length(length: int) -> None:
    """Raise `Refusal` (413) when a file of `length` bytes would be too large."""
    if length > settings.MAX_UPLOAD_BYTES:
        largest = size(settings.MAX_UPLOAD_BYTES)
        raise Refusal("too_large", _("Files may have at most %(largest)s.") % {"largest": largest}, status=413)


def check_not_over_quota(owner: User) -> None:
    """Raise `Refusal` (413) when `owner` already stores more than the quota, by results that are larger than files."""
    used = holdings.usage(owner)
    if used > settings.QUOTA_BYTES:
        message = _("You have stored %(used)s of %(quota)s. Remove reports first.")
        sizes = {"used": size(used), "quota": size(settings.QUOTA_BYTES)}
        raise Refusal("quota_exceeded", message % sizes, status=413)


def check_quota(owner: User, *, more: int) -> None:
    """Raise `Refusal` (413) when `more` bytes would exceed what `owner` may store.

    The check holds only while the caller holds the owner's row."""
    if more <= 0:
        return
    used = holdings.usage(owner)
    if used + more > settings.QUOTA_BYTES:
        raise Refusal(
            "quota_exceeded",
            _("You have stored %(used)s of %(quota)s; %(more)s more do not fit. Remove reports first.")
            % {
                "used": size(used),
                "quota": size(settings.QUOTA_BYTES),
                "more": size(more),
            },
            status=413,
        )


def _check_unfinished(owner: User) -> None:
    """Raise `Refusal` (429) when another unfinished upload of `owner` would be one too many."""
    if owner.uploads.filter(state=State.RECEIVING).count() >= settings.MAX_UNFINISHED_UPLOADS:
        message = _("You have %(count)s unfinished uploads, and more are not possible. Finish or cancel some first.")
        raise Refusal(
            "too_many_uploads",
            message % {"count": settings.MAX_UNFINISHED_UPLOADS},
            status=429,
            headers={"Retry-After": "30"},
        )


def gone(upload: Upload) -> Refusal:
    if upload.state == State.EXPIRED:
        return Refusal("gone", _("This upload expired. Start a new one."), status=410)
    if upload.completed_at:
        return Refusal("gone", _("This file has been deleted. Upload it again if you need it."), status=410)
    return Refusal("gone", _("This upload was cancelled. Start a new one."), status=410)


def _record(act: Act, upload: Upload) -> None:
    audit.record(act, upload, account=upload.owner_id, label=upload.filename)


def _end(upload: Upload, state: State, *, from_states: tuple[State, ...]) -> bool:
    """Guarded like a commit: a part being stored either comes before, and is removed, or finds the state changed."""
    disk.make_room()
    with transaction.atomic():
        if not Upload.objects.filter(pk=upload.pk, state__in=from_states).update(state=state):
            upload.refresh_from_db()
            return False
        upload.refresh_from_db()
        Removal.objects.get_or_create(upload=upload)
        if state == State.CANCELLED:
            _record(Act.UPLOAD_CANCELLED, upload)
        transaction.on_commit(lambda: upload_removed.send_robust(Upload, upload=upload))
    cleanup.begin_removal(upload)
    logger.info("upload %s %s at offset %d", upload.pk, state, upload.offset)
    return True
