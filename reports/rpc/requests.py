"""Read the request messages of a call, after its caller is known: unpack gzip within a limit, then parse.

gRPC's core would unpack a message before any code of ours sees it, up to the largest size of a message: 31 KB from a
caller without a token became 31 MiB. The options in `COMPRESSION` prevent it. Here the size that a packed message
states is compared with the limit first, and no more than that is unpacked.
"""

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from typing import Any

from django.utils.translation import gettext as _
from google.protobuf.message import DecodeError

from accounts import numbers
from accounts.errors import Refusal
from reports.rpc.errors import Invalid
from reports.rpc.limits import Budget
from reports.rpc.threads import in_thread

Parse = Callable[[bytes], Any]

# The core passes packed messages on as they came. Of the compressions it takes gzip alone: the bits are those of
# `grpc_compression_algorithm`, 0 for none, 1 for deflate, 2 for gzip. A packed message can be told from a plain one:
# gzip begins with the byte 0x1f, which would be a field of the wire type 7, and Protocol Buffers has no such type.
COMPRESSION = {"grpc.per_message_decompression": 0, "grpc.compression_enabled_algorithms_bitset": 0b101}
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_BITS = 16 + zlib.MAX_WBITS
_SIZE = struct.Struct("<I")
# Requests without a file's data are some hundred bytes long.
SMALL_BYTES = 64 * 1024
# The message of such a request must arrive within this time; sooner, if its caller sent no token.
ARRIVAL_SECONDS, OPEN_ARRIVAL_SECONDS = 30.0, 5.0
# Messages of one call without a token. A client of the reflection service asks once for each file and service.
OPEN_MESSAGES = 1000


class Requests:
    """The messages of a call. A large one counts in `budget` from its arrival until the next one is asked for.

    With `seconds` each message must arrive within that time.
    """

    def __init__(
        self, raw: AsyncIterator[bytes], parse: Parse, budget: Budget, *, limit: int, seconds: float | None = None
    ) -> None:
        self._raw = raw
        self._parse = parse
        self._budget = budget
        self._limit = limit
        self._seconds = seconds
        self._held = 0

    def __aiter__(self) -> "Requests":
        return self

    async def __anext__(self) -> Any:
        self.close()
        raw = await self._arrival()
        size = _unpacked_size(raw)
        if size > self._limit:
            raise too_large(self._limit)
        if size > SMALL_BYTES:
            self._held = await self._budget.take(size)
        return await _parsed(raw, size, self._parse)

    async def only(self) -> Any:
        """The message of a call that has one. Raise `Refusal` (400, 408, 413, 429)."""
        try:
            return await anext(self)
        except StopAsyncIteration:
            raise Invalid("bad_message", _("The call has no message. Send one request message."), "") from None
        finally:
            self.close()

    def close(self) -> None:
        """Give back what the last message counted for."""
        self._budget.give_back(self._held)
        self._held = 0

    async def _arrival(self) -> bytes:
        try:
            async with asyncio.timeout(self._seconds):
                return await anext(self._raw)
        except TimeoutError:
            text = _("No message arrived within %(seconds)s seconds. Send it right after the call's headers.")
            raise Refusal("message_timeout", text % {"seconds": f"{self._seconds:.0f}"}, status=408) from None


class OpenRequests(Requests):
    """The messages of a caller without a token: few, small, and soon. `reading` counts those that have not arrived."""

    def __init__(
        self,
        raw: AsyncIterator[bytes],
        parse: Parse,
        budget: Budget,
        reading: Callable[[], AbstractContextManager[None]],
    ) -> None:
        super().__init__(raw, parse, budget, limit=SMALL_BYTES, seconds=OPEN_ARRIVAL_SECONDS)
        self._reading = reading
        self._count = 0

    async def _arrival(self) -> bytes:
        if self._count == OPEN_MESSAGES:
            raise StopAsyncIteration
        try:
            with self._reading():
                raw = await super()._arrival()
        except Refusal as refusal:
            if self._count and refusal.status == 408:
                # A client that has asked what it wanted to know, and has not ended its stream.
                raise StopAsyncIteration from None
            raise
        self._count += 1
        return raw


def too_large(limit: int) -> Refusal:
    message = _("A message of this method may have at most %(limit)s. Send a large file in several messages.")
    return Refusal("body_too_large", message % {"limit": numbers.size(limit)}, status=413)


def _unpacked_size(raw: bytes) -> int:
    """The size that the message has, or states to have when it is unpacked."""
    is_packed = raw.startswith(_GZIP_MAGIC) and len(raw) >= _SIZE.size
    return int(_SIZE.unpack(raw[-_SIZE.size :])[0]) if is_packed else len(raw)


async def _parsed(raw: bytes, size: int, parse: Parse) -> Any:
    """Raise `Refusal` (400)."""
    try:
        return parse(await in_thread(_unpacked, raw, size) if raw.startswith(_GZIP_MAGIC) else raw)
    except (DecodeError, zlib.error):
        message = _("This is no message of ours. Make your client from sales.proto.")
        raise Invalid("bad_message", message, "") from None


def _unpacked(raw: bytes, size: int) -> bytes:
    """Raise `zlib.error` unless `raw` is `size` bytes packed by gzip. Never unpacks more than one byte too many."""
    unpacker = zlib.decompressobj(_GZIP_BITS)
    data = unpacker.decompress(raw, size + 1)
    if not unpacker.eof or unpacker.unused_data or len(data) != size:
        raise zlib.error("not one gzip member of the stated size")
    return data
