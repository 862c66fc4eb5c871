"""Reading an upload's bytes back, across its parts. Every byte that is returned was compared with its hash."""

from typing import NamedTuple

from uploads import blocks, ranges
from uploads.models import Part, Upload


class PartLost(Exception):
    """A part's object is missing or shorter than it was: the storage lost bytes. `offset` says where in the file."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"The upload's bytes at offset {offset} are no longer in the storage.")
        self.offset = offset


class PartDamaged(PartLost):
    """The bytes at `offset` are not those that were received: their hash is another."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.args = (f"The upload's bytes at offset {offset} are damaged in the storage.",)


class PartChanged(PartLost):
    """An imported object is not as it was when it was imported. That is not the storage's doing, but somebody's."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.args = ("The file was changed or removed in the storage after it had been imported.",)


class _Stretch(NamedTuple):
    """`size` bytes of a part, from the part's byte `start` on."""

    part: Part
    start: int
    size: int


def read(upload: Upload, start: int, size: int) -> bytes:
    """The `size` bytes from `start` on; they must have been received. Raises `PartLost`, `PartDamaged`, `PartChanged`,
    and `uploads.storage.StorageAway`."""
    end = start + size
    wanted = _stretches(_parts_between(upload, start, end), start, end)
    pieces: list[bytes] = []
    position = start
    for stretch, piece in zip(wanted, ranges.together(_read, wanted), strict=False):
        pieces.append(piece)
        position += stretch.size
    if position != end:
        raise PartLost(position)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _stretches(parts: list[Part], start: int, end: int) -> list[_Stretch]:
    """What of each part is in ``[start, end)``, up to the first gap between them."""
    found: list[_Stretch] = []
    position = start
    for part in parts:
        if part.offset > position:
            break
        size = min(end, part.offset + part.size) - position
        found.append(_Stretch(part, position - part.offset, size))
        position += size
    return found


def _parts_between(upload: Upload, start: int, end: int) -> list[Part]:
    """The parts that overlap ``[start, end)``: from the last one that begins at or before `start`."""
    parts = upload.parts.order_by("offset")
    first = parts.filter(offset__lte=start).values_list("offset", flat=True).last()
    return list(parts.filter(offset__gte=first or 0, offset__lt=end))


def _read(stretch: _Stretch) -> bytes:
    """The bytes of `stretch`, read in whole blocks and verified."""
    part = stretch.part
    start, end = blocks.around(part, stretch.start, stretch.size)
    try:
        data = ranges.read(part.storage_name, start, end - start, edition=part.edition)
    except ranges.NotThere:
        raise (PartChanged if part.borrowed else PartLost)(part.offset) from None
    if len(data) < end - start:
        raise PartLost(part.offset + start + len(data))
    damaged = blocks.first_damaged(part, start, data)
    if damaged is not None:
        raise PartDamaged(part.offset + damaged)
    return data[stretch.start - start : stretch.start - start + stretch.size]
