"""Bytes that the storage has changed or lost: no wrong total, a job that says where, and nothing else lost."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now

from reports import hints, lifecycle, runner, workers
from reports.models import Checkpoint, Job, Split, Worker
from reports.splits import ahead, help_one
from tests.conftest import MakeUpload
from tests.files import sales_csv
from tests.reports.test_runner import check_against_reference
from tests.uploads.test_reader import flip
from uploads.models import Part, Upload

pytestmark = pytest.mark.django_db(transaction=True)

DATA = sales_csv(12_000)
CHUNK = 100_000
Finished = Callable[..., Job]


@pytest.fixture(autouse=True)
def _small_windows(settings: Any) -> None:
    settings.WINDOW_BYTES = 30_000


def damage(upload: Upload, files: Path, position: int) -> Path:
    """Flip a bit of the file at `position`; returns the damaged part's path."""
    part = upload.parts.filter(offset__lte=position).latest("offset")
    path = files / part.storage_name
    flip(path, position - part.offset)
    return path


@pytest.mark.parametrize("position", [0, 50_000, 100_000, 170_000, len(DATA) - 1])
def test_a_flipped_bit_fails_the_job_and_is_never_counted(make_upload: MakeUpload, files: Path, position: int) -> None:
    upload = make_upload(DATA, chunk=CHUNK)
    damage(upload, files, position)
    runner.run_all()
    job = Job.objects.get()
    assert (job.status, job.error_code, job.result_name) == ("failed", "upload_damaged", "")
    found = next(int(word) for word in job.error.split() if word.isdecimal())
    assert found <= position < found + 65_536


def test_a_retry_after_the_repair_goes_on_from_the_checkpoint(make_upload: MakeUpload, files: Path) -> None:
    upload, other = make_upload(DATA, chunk=CHUNK), make_upload(DATA[:50_000] + b"\n", chunk=CHUNK)
    path = damage(upload, files, 250_000)
    runner.run_all()
    job = Job.objects.get(upload=upload)
    assert job.status == "failed"
    done = job.position
    assert 150_000 < done <= 250_000
    assert Checkpoint.objects.filter(job=job).exists()
    assert Job.objects.get(upload=other).status == "completed"
    flip(path, 250_000 - 200_000)
    lifecycle.retry(job)
    runner.run_all()
    job.refresh_from_db()
    assert job.status == "completed"
    check_against_reference(job, DATA)


def test_a_damaged_gzip_file_fails_by_the_part_that_is_damaged(make_upload: MakeUpload, files: Path) -> None:
    # A stored block of gzip: without the hash only the checksum at the file's end would show it.
    packed = gzip.compress(DATA, compresslevel=0)
    upload = make_upload(packed, chunk=CHUNK, name="sales.csv.gz")
    path = damage(upload, files, 150_000)
    runner.run_all()
    job = Job.objects.get()
    assert (job.status, job.error_code) == ("failed", "upload_damaged")
    assert "100000" in job.error
    flip(path, 50_000)
    lifecycle.retry(job)
    runner.run_all()
    job.refresh_from_db()
    assert job.status == "completed"
    check_against_reference(job, DATA)


def test_a_helper_does_not_count_damaged_bytes(
    make_upload: MakeUpload, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "LOOK_BYTES", 500)
    monkeypatch.setattr(workers, "_hands", (0.0, 0))
    Worker.objects.create(name="here:1", started_at=Now(), seen_at=Now(), hands=4)
    upload = make_upload(DATA, chunk=CHUNK)
    places: list[int] = []

    def help_with_a_damaged_split() -> bool:
        if not places:
            split = Split.objects.latest("start")
            places.append((split.start + split.end) // 2)
            damage(upload, files, places[0])
        return help_one()

    monkeypatch.setattr(hints, "send", help_with_a_damaged_split)
    runner.run_all()
    job = Job.objects.get()
    assert (job.status, job.error_code) == ("failed", "upload_damaged")
    assert job.position <= places[0]


def test_the_kept_parts_have_digests_for_each_block(make_upload: MakeUpload) -> None:
    make_upload(DATA, chunk=CHUNK)
    sizes = list(Part.objects.values_list("size", "block_digests"))
    assert [len(bytes(digests or b"")) for _size, digests in sizes] == [
        16 * -(-size // 65_536) if size > 65_536 else 0 for size, _digests in sizes
    ]
