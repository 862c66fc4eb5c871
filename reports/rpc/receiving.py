"""A file that comes in the messages of a call: stored part by part, and folded, while it comes.

At most a part is in memory while the part before it is stored; then the client has to wait, and sooner when there are
many: memory does not grow with their files, and hardly with their number. A call that breaks before the file's end
takes the upload with it, and its job is cancelled: what has come of a file is not the file, and a client that tries
again would find the leftovers in its way. Failure story: the server dies in the middle; nobody cancels, and the upload
expires like any other.
"""

import asyncio
import io
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.errors import Refusal
from accounts.models import User
from accounts.ownership import hold_owner
from reports import options
from reports.models import Job
from reports.models.jobs import DEFAULT_KIND
from reports.pipelines import pipelines
from reports.rpc import callers, endings
from reports.rpc.errors import Invalid
from reports.rpc.stubs.sales_pb2 import UploadOptions, UploadRequest
from reports.rpc.threads import in_thread, to_the_end
from uploads import lifecycle, metadata, parts
from uploads.models import Upload

logger = logging.getLogger(__name__)
PART_BYTES = 4 * 1024 * 1024
# What all calls may hold together, each its share: with many at once none is ahead of the storage, and with very many
# parts are smaller.
TOTAL_BYTES = 256 * 1024 * 1024
LEAST_SHARE_BYTES = 256 * 1024
# Messages in a row without data.
MOST_EMPTY = 1000
_taking: set["_File"] = set()
Messages = AsyncIterator[UploadRequest]


class Told(Protocol):
    """Tells the client of its job before the file has come."""

    async def __call__(self, job: Job) -> None: ...


async def receive(owner: User, messages: Messages, *, told: Told) -> Job:
    """Store the file in `messages` for `owner`, up to the end or the message with `eof`, and return its job.

    Raises `Refusal` (400, 401, 404, 409, 410, 413, 429, 500, 507); after it, or when the call is closed before the end,
    nothing is left of the file.
    """
    first = await anext(messages, None)
    if first is None:
        message = _("The stream has no message. Send the file's bytes in messages with “data”.")
        raise Invalid("empty_stream", message, "data")
    file = _File(owner)
    # Counted before anything is awaited: uploads that begin at the same moment must see each other.
    _taking.add(file)
    try:
        job = await file.begin(first)
        await told(job)
        await file.take(first, messages)
    except BaseException:
        await to_the_end(file.discard())
        raise
    finally:
        _taking.discard(file)
    # It is all here. From now on it is stored, and the job goes on, even if the call is closed.
    await to_the_end(file.finish())
    return job


async def check_nothing_follows(messages: Messages) -> None:
    """Raise `Refusal` (400) when there is more in a stream whose file has ended. Waits for the stream's end."""
    empty = _Empty()
    async for message in messages:
        empty.check(message)
        if message.data:
            text = _("Messages came after the one with “eof”, which ended the file. They are not in the result.")
            raise Invalid("data_after_eof", text, "data")


class _Empty:
    """Messages without data, one after the other: they cost time, and bring the file no further."""

    def __init__(self) -> None:
        self._count = 0

    def check(self, message: UploadRequest) -> None:
        """Raise `Refusal` (400) when there are too many."""
        self._count = 0 if message.data else self._count + 1
        if self._count > MOST_EMPTY:
            text = _("More than %(limit)s messages in a row had no data. Send the file's bytes in “data”.")
            raise Invalid("empty_messages", text % {"limit": MOST_EMPTY}, "data")


class _File:
    """The upload that is made of the messages, and what a thread does with it: one thing at a time."""

    def __init__(self, owner: User) -> None:
        self._owner = owner
        self._job: Job | None = None
        self._doing: asyncio.Task[None] | None = None
        self._storing_bytes = 0

    async def begin(self, first: UploadRequest) -> Job:
        self._do(self._create, first)
        await self._done()
        assert self._job is not None
        return self._job

    async def take(self, first: UploadRequest, messages: Messages) -> None:
        """Take all the messages. The last parts are still being stored then."""
        empty = _Empty()
        buffer = io.BytesIO()
        message: UploadRequest | None = first
        while message is not None:
            empty.check(message)
            buffer.write(message.data)
            if message.eof:
                break
            share = max(TOTAL_BYTES // len(_taking), LEAST_SHARE_BYTES)
            if buffer.tell() + self._storing_bytes > share:
                await self._done()
                self._storing_bytes = 0
            if buffer.tell() >= min(PART_BYTES, share):
                await self._done()
                self._do(self._append, buffer)
                self._storing_bytes, buffer = buffer.tell(), io.BytesIO()
                if self._storing_bytes > share:
                    # One message was more than the share: the next one is not read before it is stored.
                    await self._done()
            message = await self._next(messages)
        if buffer.tell():
            self._do(self._append, buffer)
        if message is None:
            await _not_cancelled()

    async def finish(self) -> None:
        try:
            await self._done()
            await in_thread(self._complete)
        except Exception:
            await self.discard()
            raise

    async def discard(self) -> None:
        if self._doing is not None:
            # What is being written must be there before it can be removed.
            await asyncio.gather(self._doing, return_exceptions=True)
        await in_thread(self._cancel)

    def _do(self, function: Callable[..., None], *args: object) -> None:
        """Do it as soon as what is being done is done, unless that fails."""
        before = self._doing

        async def do() -> None:
            if before is not None:
                await before
            await in_thread(function, *args)

        self._doing = asyncio.create_task(do())

    async def _done(self) -> None:
        if self._doing is not None:
            # Shielded: a thread goes on anyway, and `discard` has to know when it has ended.
            await asyncio.shield(self._doing)

    async def _next(self, messages: Messages) -> UploadRequest | None:
        """The next message; None at the end of the stream. Raises at once when what is being stored is refused."""
        if self._doing is None:
            return await anext(messages, None)
        coming = asyncio.ensure_future(anext(messages, None))
        try:
            await asyncio.wait((coming, self._doing), return_when=asyncio.FIRST_COMPLETED)
            if self._doing.done():
                await self._done()
                self._doing = None
            return await coming
        finally:
            coming.cancel()

    def _create(self, first: UploadRequest) -> None:
        described = _described(first)
        with transaction.atomic():
            upload = lifecycle.create(self._owner, length=None, metadata=described)
            self._job = Job.objects.select_related("upload", "owner").get(upload=upload)

    def _append(self, data: io.BytesIO) -> None:
        assert self._job is not None
        endings.check_goes_on(self._job)
        size, upload = data.tell(), self._job.upload
        data.seek(0)
        try:
            self._job.upload = parts.append(upload, offset=upload.offset, size=size, body=data)
        except Refusal as refusal:
            raise (endings.storage_full() if refusal.code == "storage_full" else refusal) from None

    def _complete(self) -> None:
        assert self._job is not None
        callers.confirm()
        endings.check_goes_on(self._job)
        upload = self._job.upload
        try:
            with transaction.atomic():
                hold_owner(upload.owner_id)
                parts.finish_if_whole(lifecycle.tell_length(upload, upload.offset))
        except ObjectDoesNotExist:
            # Deleted in this moment.
            raise endings.removed() from None

    def _cancel(self) -> None:
        if self._job is None:
            return
        try:
            lifecycle.cancel(self._job.upload)
        except (Refusal, Upload.DoesNotExist):
            logger.info("upload %s is gone already", self._job.upload_id)
        except Exception:
            # What was raised before is to be told; what is left of this expires.
            logger.exception("upload %s not discarded", self._job.upload_id)


def _described(first: UploadRequest) -> str:
    """What the first message says of the file, as an upload's metadata says it. Raises `Refusal` (400)."""
    chosen: UploadOptions = first.options
    try:
        kind = options.check_kind(chosen.kind or DEFAULT_KIND)
        options.from_api(kind, chosen.columns, amounts=chosen.amounts)
    except Refusal as refusal:
        raise Invalid(refusal.code, refusal.message, "options") from None
    pipeline = pipelines()[kind]
    described = metadata.write(
        {
            "filename": metadata.filename_in({"filename": first.filename}),
            "kind": kind,
            **{options.key_of(role, pipeline): name for role, name in chosen.columns.items()},
            **({"amounts": "true"} if chosen.amounts else {}),
        }
    )
    if len(described) > metadata.MAX_LENGTH:
        raise Invalid("bad_options", _("The names of the columns are too long."), "options")
    return described


# A process that has no time to run tells nothing in time; then it is waited for longer, but not for ever.
_NAP_SECONDS, _NAPS, _MOST_NAPS = 0.01, 3, 50


async def _not_cancelled() -> None:
    """Wait a moment in which the call would be cancelled if it has been.

    gRPC ends the stream of a call that its client has cancelled, or whose connection broke, as if the client had ended
    it, and cancels the call just after. What was sent of a file then must not be taken for the file.
    """
    undisturbed = 0
    for _nap in range(_MOST_NAPS):
        began = time.monotonic()
        await asyncio.sleep(_NAP_SECONDS)
        undisturbed = undisturbed + 1 if time.monotonic() - began < 2 * _NAP_SECONDS else 0
        if undisturbed == _NAPS:
            return
