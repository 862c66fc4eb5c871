"""A file that comes in the messages of a call: stored part by part, and folded, while it comes.

At most a part is in memory while the part before it is stored; then the client has to wait. A call that breaks before
the file's end takes the upload with it, and its job is cancelled: what has come of a file is not the file, and a client
that tries again would find the leftovers in its way. Failure story: the server dies in the middle; nobody cancels, and
the upload expires like any other.
"""

import asyncio
import io
import logging
from collections.abc import AsyncIterator
from typing import Protocol

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.errors import Refusal
from accounts.models import User
from reports import options
from reports.models import Job
from reports.models.jobs import DEFAULT_KIND
from reports.pipelines import pipelines
from reports.rpc.stubs.sales_pb2 import UploadOptions, UploadRequest
from reports.rpc.threads import in_thread
from uploads import lifecycle, metadata, parts
from uploads.models import Upload

logger = logging.getLogger(__name__)
PART_BYTES = 4 * 1024 * 1024
# Uploads that are being taken back although their call has ended.
_discarding: set["asyncio.Task[None]"] = set()


class Told(Protocol):
    """Tells the client of its job before the file has come."""

    async def __call__(self, job: Job) -> None: ...


async def receive(owner: User, messages: AsyncIterator[UploadRequest], *, told: Told) -> Job:
    """Store the file in `messages` for `owner`, up to the end or the message with `eof`, and return its job.

    Raises `Refusal` (400, 410, 413, 429, 507); after it, or when the call is closed before the end, nothing is left of
    the file.
    """
    first = await anext(messages, None)
    if first is None:
        message = _("The stream has no message. Send the file's bytes in messages with “data”.")
        raise Refusal("empty_stream", message, status=400)
    job = await in_thread(_begin, owner, first)
    upload = job.upload
    try:
        await told(job)
        await _store(upload, first, messages)
    except BaseException:
        task = asyncio.create_task(in_thread(_discard, upload))
        _discarding.add(task)
        task.add_done_callback(_discarding.discard)
        await asyncio.shield(task)
        raise
    return job


async def settled() -> None:
    """Wait until nothing is being taken back any more."""
    await asyncio.gather(*_discarding, return_exceptions=True)


async def _store(upload: Upload, first: UploadRequest, messages: AsyncIterator[UploadRequest]) -> None:
    buffer = _Buffer(first.data)
    storing: asyncio.Task[Upload] | None = None
    try:
        message: UploadRequest | None = first
        while message is not None and not message.eof:
            message = await anext(messages, None)
            if message is not None:
                buffer.add(message.data)
            if buffer.size >= PART_BYTES:
                if storing is not None:
                    upload = await storing
                storing = asyncio.create_task(_append(upload, buffer.take()))
    finally:
        # Also when the call is closed: what is being written must be there before it can be removed.
        if storing is not None:
            upload = await asyncio.shield(storing)
    await in_thread(_finish, upload, buffer.take())


async def _append(upload: Upload, data: bytes) -> Upload:
    return await in_thread(parts.append, upload, offset=upload.offset, size=len(data), body=io.BytesIO(data))


def _begin(owner: User, first: UploadRequest) -> Job:
    described = metadata.write({"filename": first.filename, **_described(first.options)})
    with transaction.atomic():
        upload = lifecycle.create(owner, length=None, metadata=described)
        return Job.objects.select_related("upload", "owner").get(upload=upload)


def _described(chosen: UploadOptions) -> dict[str, str]:
    """`chosen` as an upload's metadata says it. Raises `Refusal` (400)."""
    kind = options.check_kind(chosen.kind or DEFAULT_KIND)
    pipeline = pipelines()[kind]
    options.from_api(kind, chosen.columns, amounts=chosen.amounts)
    named = {options.key_of(role, pipeline): name for role, name in chosen.columns.items()}
    return {"kind": kind, **named, **({"amounts": "true"} if chosen.amounts else {})}


def _finish(upload: Upload, rest: bytes) -> None:
    if rest:
        upload = parts.append(upload, offset=upload.offset, size=len(rest), body=io.BytesIO(rest))
    with transaction.atomic():
        # The owner's row before the upload's, as everywhere.
        User.objects.select_for_update().get(pk=upload.owner_id)
        parts.finish_if_whole(lifecycle.tell_length(upload, upload.offset))


def _discard(upload: Upload) -> None:
    try:
        lifecycle.cancel(upload)
    except Refusal:
        logger.info("upload %s is gone already", upload.pk)
    except Exception:
        # What was raised before is to be told; what is left of this expires.
        logger.exception("upload %s not discarded", upload.pk)


class _Buffer:
    """What has come and is not being stored yet."""

    def __init__(self, data: bytes) -> None:
        self._pieces = [data]
        self.size = len(data)

    def add(self, data: bytes) -> None:
        self._pieces.append(data)
        self.size += len(data)

    def take(self) -> bytes:
        """All of it, which is forgotten."""
        data = b"".join(self._pieces)
        self._pieces, self.size = [], 0
        return data
