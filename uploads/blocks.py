"""Digests of a part's blocks. With them any range of a part is verified without reading the rest of the part.

A window usually begins and ends in the middle of a part, and a page reads only the first bytes of a file. The hash of
the whole part could only be compared after reading all of it, up to 32 MiB each time. So a part is hashed in blocks of
64 KiB as well, and a reader reads whole blocks: at most two more than it needs.

A part of one block needs no further digest: that block's hash is the part's. The same holds for parts that were stored
before block digests existed; they are read whole.
"""

import hashlib
from collections.abc import Iterator

from uploads.models import Part

BLOCK_BYTES = 64 * 1024
# 128 bits are enough against damage, and keep the row of a 16 MiB part at 4 KiB.
DIGEST_BYTES = 16


class BlockHashes:
    """The hashes of a part that is being received: of all its bytes, and of each block."""

    def __init__(self) -> None:
        self._part = hashlib.sha256()
        self._block = hashlib.sha256()
        self._filled = 0
        self._digests: list[bytes] = []

    def update(self, data: bytes) -> None:
        self._part.update(data)
        rest = memoryview(data)
        while rest:
            piece = rest[: BLOCK_BYTES - self._filled]
            rest = rest[len(piece) :]
            self._block.update(piece)
            self._filled += len(piece)
            if self._filled == BLOCK_BYTES:
                self._end_block()

    @property
    def sha256(self) -> str:
        return self._part.hexdigest()

    def block_digests(self) -> bytes | None:
        """The digests of all blocks; None for a part of one block. Call this after the last byte."""
        if self._filled:
            self._end_block()
        return b"".join(self._digests) if len(self._digests) > 1 else None

    def _end_block(self) -> None:
        self._digests.append(self._block.digest()[:DIGEST_BYTES])
        self._block, self._filled = hashlib.sha256(), 0


def around(part: Part, start: int, size: int) -> tuple[int, int]:
    """The beginning and the end of the blocks of `part` that hold its `size` bytes from `start` on.

    A borrowed part has no hash of ours; its edition is compared instead.
    """
    if not part.sha256:
        return start, start + size
    block = _block_bytes(part)
    return start // block * block, min(-(-(start + size) // block) * block, part.size)


def first_damaged(part: Part, start: int, data: bytes) -> int | None:
    """Where in `part` the first block of `data` begins that is not as it was received. `data` is whole blocks from
    `start` on."""
    if not part.sha256:
        return None
    block = _block_bytes(part)
    view = memoryview(data)
    for position, expected in zip(range(0, len(data), block), _digests_from(part, start // block), strict=False):
        if hashlib.sha256(view[position : position + block]).digest()[: len(expected)] != expected:
            return start + position
    return None


def _block_bytes(part: Part) -> int:
    return BLOCK_BYTES if part.block_digests else max(part.size, 1)


def _digests_from(part: Part, block: int) -> Iterator[bytes]:
    if not part.block_digests:
        yield bytes.fromhex(part.sha256)
        return
    digests = bytes(part.block_digests)
    for start in range(block * DIGEST_BYTES, len(digests), DIGEST_BYTES):
        yield digests[start : start + DIGEST_BYTES]
