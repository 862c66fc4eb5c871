"""Reading bytes back across parts."""

import time
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from tests.conftest import MakeUpload
from tests.services.unwell import Unwell
from uploads.models import Part
from uploads.reader import PartLost, read
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


def test_parts_in_s3_are_asked_for_side_by_side_each_by_one_request_for_its_own_bytes(
    make_upload: MakeUpload, unwell: Unwell
) -> None:
    upload = make_upload(DATA, chunk=10)
    del unwell.log[:]
    unwell.latency = 0.2
    before = time.monotonic()
    assert read(upload, 5, 80) == DATA[5:85]
    # One after the other they would take 1.8 seconds.
    assert time.monotonic() - before < 1.2
    assert sorted(asked.sent for asked in unwell.asked("GET")) == [5, 5, *[10] * 7]


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
