"""Encodings: UTF-8 and Windows-1252 are folded as the bytes they are, UTF-16 is turned into UTF-8 first."""

import codecs

# A window read into a buffer that is used again is as good as bytes.
Data = bytes | bytearray

UTF8 = "utf-8"
_PIECE_BYTES = 1024 * 1024
# How many bytes a UTF-8 character has, by the upper half of its first.
_LENGTHS = {0xC: 2, 0xD: 2, 0xE: 3, 0xF: 4}
_BOMS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def by_bom(data: Data) -> tuple[str, int]:
    """The encoding that the byte order mark tells, and the mark's length; without one, UTF-8 until proved otherwise."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return encoding, len(bom)
    return UTF8, 0


def to_utf8(data: Data, encoding: str, *, final: bool) -> bytes:
    """UTF-16 bytes as UTF-8. A character cut off at the end is left out, unless `final`, where it is replaced.

    A lone surrogate is replaced by U+FFFD, which takes as many bytes, so that `size_in` tells lengths back exactly.
    """
    return codecs.getincrementaldecoder(encoding)("replace").decode(data, final).encode()


def size_in(utf8: Data, encoding: str) -> int:
    """How many bytes of the original encoding `utf8` came from."""
    return len(utf8) if encoding == UTF8 else len(utf8.decode(UTF8).encode(encoding))


def is_utf8(data: Data, end: int | None = None) -> bool:
    """Whether ``data[:end]`` is UTF-8."""
    if data.isascii():
        return True
    # Piece by piece, since the text of a window may take four times its bytes.
    view, position = memoryview(data)[:end], 0
    try:
        while position < len(view):
            piece = view[position : position + _PIECE_BYTES]
            position += codecs.utf_8_decode(piece, "strict", position + len(piece) == len(view))[1]
    except UnicodeDecodeError:
        return False
    return True


def whole_characters(data: Data) -> int:
    """How many bytes of `data` there are without a UTF-8 character that its end cuts off."""
    for size in range(1, min(4, len(data) + 1)):
        if data[-size] >= 0xC0:
            return len(data) - size if _LENGTHS[data[-size] >> 4] > size else len(data)
        if data[-size] < 0x80:
            break
    return len(data)


def decode(value: bytes, *, utf8: bool | None = None) -> str:
    """A value for people. `utf8` says whether the whole file was UTF-8; None judges by the value itself."""
    utf8 = is_utf8(value) if utf8 is None else utf8
    return value.decode(UTF8 if utf8 else "windows-1252", "replace")
