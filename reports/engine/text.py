"""Encodings: UTF-8 and Windows-1252 are folded as the bytes they are, UTF-16 is turned into UTF-8 first."""

import codecs

UTF8 = "utf-8"
_BOMS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def by_bom(data: bytes) -> tuple[str, int]:
    """The encoding that the byte order mark tells, and the mark's length; without one, UTF-8 until proved otherwise."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return encoding, len(bom)
    return UTF8, 0


def to_utf8(data: bytes, encoding: str, *, final: bool) -> bytes:
    """UTF-16 bytes as UTF-8. A character cut off at the end is left out, unless `final`, where it is replaced.

    Lone surrogates go through unchanged (``surrogatepass``), so that `size_in` can tell lengths back exactly.
    """
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    try:
        decoded = decoder.decode(data, final)
    except UnicodeDecodeError:
        decoded = codecs.getincrementaldecoder(encoding)("surrogatepass").decode(data, False) + "\ufffd"
    return decoded.encode(UTF8, "surrogatepass")


def size_in(utf8: bytes, encoding: str) -> int:
    """How many bytes of the original encoding `utf8` came from."""
    return len(utf8) if encoding == UTF8 else len(utf8.decode(UTF8, "surrogatepass").encode(encoding, "surrogatepass"))


def is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode(UTF8)
    except UnicodeDecodeError:
        return False
    return True


def decode(value: bytes, *, utf8: bool | None = None) -> str:
    """A value for people. `utf8` says whether the whole file was UTF-8; None judges by the value itself."""
    if is_utf8(value) if utf8 is None else utf8:
        return value.decode(UTF8, "replace")
    return value.decode("windows-1252", "replace")
