"""Reading an upload's bytes back, across its parts."""

from django.core.files.storage import default_storage

from uploads.models import Part, Upload


class PartLost(Exception):
    """A part's object is missing or shorter than it was: the storage lost bytes. `offset` says where in the file."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"The upload's bytes at offset {offset} are no longer in the storage.")
        self.offset = offset


def read(upload: Upload, start: int, size: int) -> bytes:
    """The `size` bytes from `start` on; they must have been received. Raises `PartLost`."""
    end = start + size
    pieces: list[bytes] = []
    position = start
    for part in _parts_between(upload, start, end):
        if part.offset > position:
            break
        wanted = min(end, part.offset + part.size) - position
        piece = _read_part(part, position - part.offset, wanted)
        if len(piece) != wanted:
            raise PartLost(position + len(piece))
        pieces.append(piece)
        position += wanted
    if position != end:
        raise PartLost(position)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _parts_between(upload: Upload, start: int, end: int) -> list[Part]:
    """The parts that overlap ``[start, end)``: from the last one that begins at or before `start`."""
    parts = upload.parts.order_by("offset")
    first = parts.filter(offset__lte=start).values_list("offset", flat=True).last()
    return list(parts.filter(offset__gte=first or 0, offset__lt=end))


def _read_part(part: Part, start: int, size: int) -> bytes:
    try:
        with default_storage.open(part.storage_name, "rb") as file:
            file.seek(start)
            data: bytes = file.read(size)
            return data
    except FileNotFoundError:
        raise PartLost(part.offset) from None
