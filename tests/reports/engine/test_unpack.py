"""Gzip files: read in any pieces, refused when they are damaged or bombs."""

import gzip
import io
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.engine import EngineError, Limits
from reports.engine.unpack import UnpackedFile, Unpacker
from tests.files import sales_csv

SALES = sales_csv(3000)


def unpack(packed: bytes, *, piece: int = 1000, size: int = 700, limits: Limits | None = None) -> bytes:
    unpacker = Unpacker(limits or Limits())
    out = b""
    for start in range(0, len(packed), piece):
        unpacker.feed(packed[start : start + piece])
        while not unpacker.is_hungry:
            more = unpacker.read(size)
            assert len(more) <= size
            out += more
    unpacker.end()
    assert (unpacker.packed, unpacker.unpacked) == (len(packed), len(out))
    return out


# No deadline: how long an example takes says what else the machine has to do.
@settings(deadline=None)
@given(
    parts=st.lists(st.binary(max_size=3000) | st.just(b"A,2024-01-01,1\n" * 500), min_size=1, max_size=3),
    piece=st.integers(1, 300),
    size=st.integers(1, 5000),
    padding=st.integers(0, 5),
)
def test_what_was_packed_comes_out_whatever_the_pieces(parts: list[bytes], piece: int, size: int, padding: int) -> None:
    packed = b"".join(gzip.compress(part) for part in parts) + b"\0" * padding
    assert unpack(packed, piece=piece, size=size) == b"".join(parts)


@pytest.mark.parametrize("cut", [1, 5, 8, 9, 2000])
def test_a_file_that_ends_in_the_middle_is_refused(cut: int) -> None:
    with pytest.raises(EngineError) as refused:
        unpack(gzip.compress(SALES)[:-cut])
    assert refused.value.code == "gzip_damaged"
    assert "ends in the middle" in refused.value.message


def test_a_damaged_file_is_refused_with_the_place() -> None:
    packed = bytearray(gzip.compress(SALES))
    packed[-6] ^= 1
    with pytest.raises(EngineError) as refused:
        unpack(bytes(packed))
    assert refused.value.code == "gzip_damaged"
    assert f"near byte {len(packed):,}" in refused.value.message


@pytest.mark.parametrize("tail", [b"x", b"\x1f", b"\x1fx", b"\0\0tail"])
def test_a_file_with_something_behind_it_is_refused(tail: bytes) -> None:
    with pytest.raises(EngineError) as refused:
        unpack(gzip.compress(SALES) + tail)
    assert refused.value.code == "gzip_damaged"


def test_a_bomb_is_refused_long_before_its_end() -> None:
    packer = zlib.compressobj(9, wbits=31)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(400)) + packer.flush()
    unpacker = Unpacker()
    unpacker.feed(packed)
    with pytest.raises(EngineError) as refused:
        while not unpacker.is_hungry:
            unpacker.read(1 << 20)
    assert refused.value.code == "unpacks_too_large"
    assert unpacker.unpacked < 200 << 20


def test_it_can_be_read_like_any_file() -> None:
    file = io.BufferedReader(UnpackedFile(io.BytesIO(gzip.compress(SALES))))
    assert file.read() == SALES
