"""Bytes that nobody needs any more: expired uploads, orphans, leftovers."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from reports.sweeper import sweep
from tests.conftest import MakeUpload
from tests.services import S3
from tests.services.unwell import Unwell
from tests.uploads.conftest import Tus
from uploads import cleanup, lifecycle
from uploads.models import Part, Removal, Upload
from uploads.storage import StorageAway

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


def age(upload: Upload) -> None:
    Upload.objects.filter(pk=upload.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


def test_an_upload_that_receives_nothing_expires_with_its_bytes(tus: Tus, make_upload: MakeUpload, files: Path) -> None:
    upload = make_upload(b"123456", chunk=3, whole=False)
    assert lifecycle.expire_overdue() == 0
    age(upload)
    assert lifecycle.expire_overdue() == 1
    response = tus.head(f"/uploads/{upload.pk}/")
    assert response.status_code == 410
    assert not Part.objects.exists()
    assert not [path for path in files.rglob("*") if path.is_file()]


def test_every_part_prolongs_the_upload(tus: Tus, make_upload: MakeUpload) -> None:
    upload = make_upload(b"123456", chunk=3, whole=False)
    age(upload)
    assert tus.patch(f"/uploads/{upload.pk}/", b"4", 3).status_code == 204
    assert lifecycle.expire_overdue() == 0


def test_a_whole_upload_does_not_expire(make_upload: MakeUpload) -> None:
    age(make_upload(b"123"))
    assert lifecycle.expire_overdue() == 0


def test_old_objects_that_no_part_names_are_removed(make_upload: MakeUpload, files: Path) -> None:
    upload = make_upload(b"123")
    folder = files / upload.parts_folder
    orphan, young = folder / "orphan", folder / "young"
    orphan.write_bytes(b"x")
    young.write_bytes(b"x")
    long_ago = time.time() - 24 * 3600
    for path in folder.iterdir():
        os.utime(path, (long_ago, long_ago))
    os.utime(young)
    assert cleanup.remove_orphans() == 1
    assert not orphan.exists()
    assert young.exists()
    assert (files / Part.objects.get().storage_name).exists()


def test_more_files_than_the_database_is_asked_about_at_a_time_are_all_looked_at(
    make_upload: MakeUpload, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "PAGE", 3)
    make_upload(bytes(10), chunk=1)
    for number in range(10):
        path = files / f"uploads/{number}/gone"
        path.parent.mkdir()
        path.write_bytes(b"x")
    long_ago = time.time() - 24 * 3600
    for path in files.rglob("*"):
        os.utime(path, (long_ago, long_ago))
    assert cleanup.remove_orphans() == 10
    assert all((files / name).exists() for name in Part.objects.values_list("storage_name", flat=True))


def test_in_s3_too(in_s3: S3, make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch) -> None:
    make_upload(bytes(4), chunk=1)
    for number in range(3):
        in_s3.client.put_object(Bucket="salesagg", Key=f"uploads/{number}/gone", Body=b"x")
    in_s3.client.put_object(Bucket="salesagg", Key="imports/1/of somebody", Body=b"x")
    in_s3.begin("uploads/1/begun")
    assert cleanup.remove_orphans() == 0
    monkeypatch.setattr(cleanup, "ORPHAN_AGE", timedelta(seconds=-5))
    assert cleanup.remove_orphans() == 3
    assert cleanup.remove_unfinished("uploads", "jobs") == 1
    named = list(Part.objects.values_list("storage_name", flat=True))
    assert sorted(in_s3.object_names()) == sorted([*named, "imports/1/of somebody"])


def test_a_removal_that_was_cut_short_is_completed(make_upload: MakeUpload) -> None:
    upload = make_upload(b"123")
    Upload.objects.filter(pk=upload.pk).update(state=Upload.State.CANCELLED)
    assert cleanup.remove_leftovers() == 1
    assert not Part.objects.exists()


def test_the_command_says_what_it_did(make_upload: MakeUpload, capsys: pytest.CaptureFixture[str]) -> None:
    age(make_upload(b"123456", chunk=3, whole=False))
    call_command("clean_uploads")
    assert capsys.readouterr().out.splitlines() == [
        "uploads expired: 1",
        "ended uploads emptied: 0",
        "orphan objects deleted: 0",
        "files of no job deleted: 0",
        "exports of no job forgotten: 0",
        "unfinished objects deleted: 0",
    ]


def requests_of(unwell: Unwell, method: str) -> int:
    return len(unwell.asked(method))


def test_deleting_a_file_of_many_parts_answers_after_one_page(
    tus: Tus, make_upload: MakeUpload, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "PAGE", 10)
    upload = make_upload(bytes(35), chunk=1)
    assert tus.delete(f"/uploads/{upload.pk}/").status_code == 204
    assert Part.objects.count() == 25
    assert tus.head(f"/uploads/{upload.pk}/").status_code == 410
    assert lifecycle.stored_by(upload.owner) == 0
    assert cleanup.finish_removals() == 1
    assert not Part.objects.exists()
    assert not Removal.objects.exists()
    assert not list((files / "uploads").iterdir())
    assert cleanup.finish_removals() == 0


def test_a_deleted_file_of_many_parts_loses_its_row_with_its_last_part(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "PAGE", 10)
    upload = make_upload(bytes(35), chunk=1)
    upload.jobs.all().delete()
    lifecycle.delete(upload)
    assert (Upload.objects.get().state, Part.objects.count()) == ("cancelled", 25)
    assert cleanup.finish_removals(seconds=0) == 0
    assert Part.objects.count() == 15
    cleanup.finish_removals()
    assert not Upload.objects.exists()


def test_a_process_that_dies_after_it_ended_an_upload_leaves_the_rest_to_the_sweep(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch, files: Path
) -> None:
    upload = make_upload(bytes(35), chunk=5)

    def die(upload: Upload) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(cleanup, "begin_removal", die)
        lifecycle.cancel(upload)
    assert Part.objects.count() == 7
    sweep()
    assert not Part.objects.exists()
    assert not list((files / "uploads").iterdir())


def test_parts_in_s3_are_deleted_by_one_request_for_many(make_upload: MakeUpload, unwell: Unwell) -> None:
    upload = make_upload(bytes(60), chunk=1)
    del unwell.log[:]
    lifecycle.cancel(upload)
    assert not Part.objects.exists()
    # The folder, which a bucket does not have, is the one that is deleted alone.
    assert (requests_of(unwell, "POST"), requests_of(unwell, "DELETE")) == (1, 1)


def test_parts_that_s3_cannot_delete_stay_named(make_upload: MakeUpload, unwell: Unwell, in_s3: S3) -> None:
    upload = make_upload(bytes(6), chunk=1)
    unwell.always = "denied"
    with pytest.raises(StorageAway):
        lifecycle.cancel(upload)
    assert Part.objects.count() == 6
    assert cleanup.finish_removals() == 0
    unwell.always = ""
    assert cleanup.finish_removals() == 1
    assert not in_s3.object_names()


def test_only_the_first_of_two_removals_at_once_has_something_to_do(make_upload: MakeUpload) -> None:
    upload = make_upload(bytes(6), chunk=1)
    lifecycle.abandon(upload)
    lifecycle.abandon(upload)
    lifecycle.remove(upload)
    lifecycle.remove(upload)
    lifecycle.abandon(upload)
    assert not Removal.objects.exists()
