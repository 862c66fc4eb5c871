"""Storing a chunk and committing it as the next part of an upload.

No lock is held while bytes are on their way. A chunk is stored under a name of its own, then committed by
compare-and-swap on the upload's offset: of two clients that send the same bytes at once, both store, one commits, the
other is told 409 and its object is deleted. Nothing has to be unlocked after a crash; the worst that stays behind is an
object that no part names, which `uploads.cleanup` finds.
"""

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import DatabaseError, transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts import metrics
from accounts.errors import Refusal
from salesagg.core import disk
from uploads import lifecycle
from uploads.blocks import BlockHashes
from uploads.checksum import Expected
from uploads.models import Part, Upload
from uploads.signals import part_stored, upload_completed
from uploads.storage import StorageFull, is_full

logger = logging.getLogger(__name__)
READ_SIZE = 1024 * 1024
# An upload may have this many parts of any size, and one more for each of these many bytes. A client may send what it
# has for the moment, however little; one that sends a whole file byte by byte is refused.
FREE_PARTS = 1000
BYTES_A_PART = 64 * 1024


@dataclass(frozen=True)
class StoredChunk:
    """Bytes in the storage that no part names yet."""

    name: str
    size: int
    sha256: str
    block_digests: bytes | None


def append(upload: Upload, *, offset: int, size: int, body: IO[bytes], checksum: Expected | None = None) -> Upload:
    """Store `size` bytes read from `body` as the part at `offset`, and return the upload as it is afterwards.

    Raises `Refusal`: 409 when the upload has moved on from `offset`, 410 when it is over, 413 when the chunk would
    exceed its length, what a file may have, or the owner's quota, 460 when `checksum` does not match, 400 when `body`
    ends early or the upload's chunks are too small, 507 when the storage is full. After any of them earlier parts are
    as they were.
    """
    check_offset(upload, offset)
    if upload.length is not None and offset + size > upload.length:
        raise Refusal("too_large", f"The upload ends at byte {upload.length}; this chunk would exceed it.", status=413)
    if upload.length is None:
        lifecycle.check_length(offset + size)
    if size == 0:
        return finish_if_whole(upload)
    _check_part_count(upload, offset + size)
    if disk.is_low(more=size):
        raise _full(upload, offset)
    if more := lifecycle.growth(upload, by=size):
        # The commit decides. This refuses what cannot fit before it is stored.
        lifecycle.check_quota(upload.owner, more=more)
    chunk = _store(upload, offset=offset, size=size, body=body, checksum=checksum)
    try:
        _commit(upload, offset, chunk)
    except Refusal:
        # Only now is it certain that no part names the object. After any other error (the database went away during
        # the commit, say) it may have been committed, and deleting it would lose acknowledged bytes.
        default_storage.delete(chunk.name)
        raise
    except DatabaseError as error:
        if not is_full(error):
            raise
        # Certain too: what says so has rolled the transaction back.
        default_storage.delete(chunk.name)
        raise _full(upload, offset) from error
    metrics.UPLOAD_PARTS.inc()
    metrics.UPLOAD_BYTES.inc(chunk.size)
    return upload


def check_offset(upload: Upload, offset: int) -> None:
    """Raise `Refusal` unless `upload` is waiting for the byte at `offset`."""
    if upload.state in (Upload.State.EXPIRED, Upload.State.CANCELLED):
        raise lifecycle.gone(upload)
    if offset != upload.offset:
        raise _moved_on(upload)


def _check_part_count(upload: Upload, end: int) -> None:
    """Raise `Refusal` (400) when a part up to `end` would be one too many. The last part of a file may have any size.

    Each part costs a file and a row. Without this limit somebody stores a file of 1 MB as a million files.
    """
    if end == upload.length or upload.part_count < FREE_PARTS + end // BYTES_A_PART:
        return
    message = f"The upload has {upload.part_count} parts already. Send chunks of at least {BYTES_A_PART} bytes."
    raise Refusal("chunks_too_small", message, status=400)


def finish_if_whole(upload: Upload) -> Upload:
    """Complete an upload all of whose bytes are here: an empty one, or one that has just told its length."""
    changed = Upload.objects.filter(pk=upload.pk, state=Upload.State.RECEIVING, offset=F("length")).update(
        state=Upload.State.COMPLETE, completed_at=timezone.now()
    )
    upload.refresh_from_db()
    if changed:
        transaction.on_commit(lambda: upload_completed.send_robust(Upload, upload=upload))
    return upload


def _store(upload: Upload, *, offset: int, size: int, body: IO[bytes], checksum: Expected | None) -> StoredChunk:
    source = _HashedBody(body, size, checksum)
    name = f"{upload.parts_folder}/{offset:020d}-{uuid.uuid4().hex}"
    try:
        with metrics.STORE_SECONDS.time():
            name = default_storage.save(name, source)
    except OSError as error:
        if not is_full(error):
            raise
        # The beginning of it, which takes what room there is left.
        default_storage.delete(name)
        raise _full(upload, offset) from error
    try:
        if source.received != size:
            raise Refusal("body_too_short", f"{source.received} bytes came, {size} were announced.", status=400)
        if checksum is not None:
            checksum.verify()
    except Refusal:
        default_storage.delete(name)
        raise
    hashes = source.hashes
    return StoredChunk(name=name, size=size, sha256=hashes.sha256, block_digests=hashes.block_digests())


def _full(upload: Upload, offset: int) -> StorageFull:
    metrics.FAILURES.labels("storage").inc()
    logger.error("storage full: upload %s at offset %d", upload.pk, offset)
    return StorageFull()


def _commit(upload: Upload, offset: int, chunk: StoredChunk) -> None:
    end = offset + chunk.size
    with transaction.atomic():
        lifecycle.reserve(upload, by=chunk.size)
        moved = (
            Upload.objects.filter(pk=upload.pk, offset=offset, state=Upload.State.RECEIVING)
            .filter(Q(length=None) | Q(length__gte=end))
            .update(offset=end, part_count=F("part_count") + 1, expires_at=lifecycle.expiry())
        )
        if moved != 1:
            try:
                upload.refresh_from_db()
            except Upload.DoesNotExist:
                # Removed with its report while the chunk was on its way.
                raise lifecycle.gone(upload) from None
            check_offset(upload, offset)
            raise _moved_on(upload)
        Part.objects.create(
            upload=upload,
            offset=offset,
            size=chunk.size,
            sha256=chunk.sha256,
            block_digests=chunk.block_digests,
            storage_name=chunk.name,
        )
        transaction.on_commit(lambda: part_stored.send_robust(Upload, upload=upload))
        finish_if_whole(upload)


def _moved_on(upload: Upload) -> Refusal:
    return Refusal(
        "offset_mismatch",
        f"The upload continues at byte {upload.offset}. Ask for its offset (HEAD) and go on from there.",
        status=409,
    )


class _HashedBody(File[bytes]):
    """A request body as a Django file: read once, in pieces, hashed on the way to the storage."""

    def __init__(self, body: IO[bytes], size: int, checksum: Expected | None) -> None:
        super().__init__(body, name="chunk")
        self._body = body
        self._announced = size
        self._checksum = checksum
        self.received = 0
        self.hashes = BlockHashes()

    @property
    def size(self) -> int:
        return self._announced

    def read(self, size: int = -1) -> bytes:
        left = self._announced - self.received
        data: bytes = self._body.read(left if size < 0 else min(size, left)) if left else b""
        self.received += len(data)
        self.hashes.update(data)
        if self._checksum is not None:
            self._checksum.hash.update(data)
        return data

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        while data := self.read(chunk_size or READ_SIZE):
            yield data

    @property
    def closed(self) -> bool:
        """Never: the request closes its body itself, and has no such attribute for storages to look at."""
        return False

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0) -> int:
        """Storages rewind what they are given; at the start that is nothing, later it would lose bytes."""
        if (offset, whence, self.received) != (0, 0, 0):
            raise OSError("A request body can be read only once.")
        return 0
