"""Reading bytes back across parts."""

import time
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from tests.conftest import MakeUpload
from tests.services import S3
from tests.services.unwell import Unwell
from uploads.blocks import BLOCK_BYTES
from uploads.models import Part
from uploads.reader import PartDamaged, PartLost, read
from uploads.storage import StorageAway

pytestmark = pytest.mark.django_db(transaction=True)
DATA = bytes(range(100))


@pytest.mark.parametrize("chunk", [1, 7, 50, 100])
def test_any_range_reads_the_same_whatever_the_parts(make_upload: MakeUpload, chunk: int) -> None:
    upload = make_upload(DATA, chunk=chunk)
    for start, size in [(0, 100), (0, 1), (99, 1), (6, 9), (49, 2), (50, 50), (13, 0)]:
        assert read(upload, start, size) == DATA[start : start + size]


def test_a_lost_part_is_named_by_its_offset(make_upload: MakeUpload, files: Path) -> None:
    upload = make_upload(DATA, chunk=25)
    (files / Part.objects.get(offset=50).storage_name).unlink()
    assert read(upload, 0, 50) == DATA[:50]
    with pytest.raises(PartLost) as lost:
        read(upload, 30, 40)
    assert lost.value.offset == 50


def test_a_part_that_has_become_shorter_is_lost_too(make_upload: MakeUpload, files: Path) -> None:
    upload = make_upload(DATA, chunk=25)
    (files / Part.objects.get(offset=25).storage_name).write_bytes(b"short")
    with pytest.raises(PartLost) as lost:
        read(upload, 0, 100)
    assert lost.value.offset == 30


def test_bytes_that_never_came_are_lost(make_upload: MakeUpload) -> None:
    upload = make_upload(DATA, chunk=25, whole=False)
    with pytest.raises(PartLost) as lost:
        read(upload, 60, 40)
    assert lost.value.offset == 75


def test_parts_in_s3_are_asked_for_side_by_side_each_by_one_request(make_upload: MakeUpload, unwell: Unwell) -> None:
    upload = make_upload(DATA, chunk=10)
    del unwell.log[:]
    unwell.latency = 0.2
    before = time.monotonic()
    assert read(upload, 5, 80) == DATA[5:85]
    # One after the other they would take 1.8 seconds.
    assert time.monotonic() - before < 1.2
    # Whole, since a part of one block has one hash.
    assert sorted(asked.sent for asked in unwell.asked("GET")) == [10] * 9


def test_a_lost_part_in_s3_is_named_too_and_a_store_that_is_away_is_not_taken_for_it(
    make_upload: MakeUpload, unwell: Unwell
) -> None:
    upload = make_upload(DATA, chunk=10)
    unwell.always = "denied"
    with pytest.raises(StorageAway):
        read(upload, 0, 100)
    unwell.always = ""
    for offset in (30, 70):
        default_storage.delete(Part.objects.get(offset=offset).storage_name)
    with pytest.raises(PartLost) as lost:
        read(upload, 0, 100)
    assert lost.value.offset == 30


LARGE = bytes(range(256)) * 1000
CHUNKS = [100_000, 65_536, 50_000, 256_000]


def flip(path: Path, position: int) -> None:
    """Change one bit, as a failing disk does."""
    with path.open("r+b") as file:
        file.seek(position)
        (byte,) = file.read(1)
        file.seek(position)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("chunk", CHUNKS)
def test_ranges_of_parts_with_many_blocks_read_the_same(make_upload: MakeUpload, chunk: int) -> None:
    upload = make_upload(LARGE, chunk=chunk)
    edges = [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, 99_999, 100_000, 131_071, 200_001, len(LARGE)]
    for start in edges:
        for end in edges:
            if start < end:
                assert read(upload, start, end - start) == LARGE[start:end]


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("position", [0, 65_535, 65_536, 120_000, 255_999])
def test_a_flipped_bit_is_found_by_any_range_that_holds_it(
    make_upload: MakeUpload, files: Path, chunk: int, position: int
) -> None:
    upload = make_upload(LARGE, chunk=chunk)
    part = Part.objects.filter(offset__lte=position).latest("offset")
    flip(files / part.storage_name, position - part.offset)
    block = part.offset + (position - part.offset) // BLOCK_BYTES * BLOCK_BYTES
    for start, end in [(0, len(LARGE)), (position, position + 1), (max(position - 70_000, 0), position + 1)]:
        with pytest.raises(PartDamaged) as damaged:
            read(upload, start, end - start)
        assert damaged.value.offset == block
        assert str(block) in str(damaged.value)


def test_blocks_beside_a_damaged_one_are_read(make_upload: MakeUpload, files: Path) -> None:
    upload = make_upload(LARGE)
    flip(files / Part.objects.get().storage_name, 70_000)
    assert read(upload, 0, BLOCK_BYTES) == LARGE[:BLOCK_BYTES]
    assert read(upload, 2 * BLOCK_BYTES, 1000) == LARGE[2 * BLOCK_BYTES :][:1000]


def test_a_part_stored_before_blocks_had_digests_is_verified_whole(make_upload: MakeUpload, files: Path) -> None:
    upload = make_upload(LARGE)
    Part.objects.update(block_digests=None)
    assert read(upload, 70_000, 10) == LARGE[70_000:70_010]
    flip(files / Part.objects.get().storage_name, 200_000)
    with pytest.raises(PartDamaged):
        read(upload, 70_000, 10)


def test_a_range_in_s3_costs_no_more_than_its_blocks(make_upload: MakeUpload, unwell: Unwell) -> None:
    upload = make_upload(LARGE)
    del unwell.log[:]
    assert read(upload, 60_000, 10_000) == LARGE[60_000:70_000]
    assert [asked.sent for asked in unwell.asked("GET")] == [2 * BLOCK_BYTES]


def test_a_damaged_object_in_s3_is_found_too(make_upload: MakeUpload, in_s3: S3) -> None:
    upload = make_upload(LARGE, chunk=100_000)
    name = Part.objects.get(offset=100_000).storage_name
    in_s3.client.put_object(Bucket="salesagg", Key=name, Body=b"x" * 100_000)
    assert read(upload, 0, 100_000) == LARGE[:100_000]
    with pytest.raises(PartDamaged) as damaged:
        read(upload, 50_000, 100_000)
    assert damaged.value.offset == 100_000
