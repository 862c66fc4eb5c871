"""POST: creation, with its first chunk or without, with its length or without."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.conftest import b64
from tests.uploads.conftest import Tus
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_creates_an_upload_and_tells_where(tus: Tus, user: User) -> None:
    response = tus.create(10, Upload_Metadata=f"filename {b64('Köln.csv')},lastmodified {b64('17')}")
    upload = Upload.objects.get()
    assert response.status_code == 201
    assert response["Location"] == f"/uploads/{upload.pk}/"
    assert response["Tus-Resumable"] == "1.0.0"
    assert response["Upload-Expires"].endswith("GMT")
    assert (upload.owner, upload.length, upload.offset, upload.state) == (user, 10, 0, "receiving")
    assert upload.filename == "Köln.csv"


def test_it_stores_a_first_chunk_that_comes_along(tus: Tus) -> None:
    response = tus.create(10, b"12345")
    assert (response.status_code, response["Upload-Offset"]) == (201, "5")


def test_a_first_chunk_that_is_damaged_leaves_the_upload_at_its_beginning(tus: Tus, files: Any) -> None:
    response = tus.create(10, b"12345", Upload_Checksum=f"sha1 {b64('x' * 20)}")
    assert (response.status_code, response["Upload-Offset"]) == (201, "0")
    assert not [path for path in files.rglob("*") if path.is_file()]


def test_an_empty_upload_is_complete_at_once(tus: Tus) -> None:
    assert tus.create(0).status_code == 201
    assert Upload.objects.get().state == "complete"


def test_the_length_may_be_deferred(tus: Tus) -> None:
    assert tus.create(None, Upload_Defer_Length="1").status_code == 201
    assert Upload.objects.get().length is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Upload_Length": "-1"},
        {"Upload_Length": "ten"},
        {"Upload_Length": "1_0"},
        {"Upload_Length": "٣"},
        {"Upload_Length": "9" * 30},
        {"Upload_Length": "9" * 5000},
        {"Upload_Defer_Length": "2"},
        {"Upload_Defer_Length": "1", "Upload_Length": "5"},
    ],
)
def test_a_length_that_makes_no_sense_is_refused(tus: Tus, headers: dict[str, Any]) -> None:
    response = tus.create(None, **headers)
    assert (response.status_code, response.json()["code"]) in [(400, "bad_upload_length"), (400, "bad_length")]
    assert not Upload.objects.exists()


def test_a_file_that_is_to_be_kept_gets_no_job(tus: Tus) -> None:
    path = tus.created(5, Upload_Metadata=f"filename {b64('a.csv')},keep {b64('true')}")
    assert tus.patch(path, b"12345").status_code == 204
    upload = Upload.objects.get()
    assert (upload.keep, upload.state) == (True, "complete")
    assert not upload.jobs.exists()


def test_a_file_that_is_not_to_be_kept_gets_one(tus: Tus) -> None:
    tus.created(5, Upload_Metadata=f"keep {b64('false')}")
    tus.created(5)
    assert [(upload.keep, upload.jobs.count()) for upload in Upload.objects.all()] == [(False, 1)] * 2


@pytest.mark.parametrize("asked", ["yes", "TRUE", "1", ""])
def test_a_file_that_is_perhaps_to_be_kept_is_refused(tus: Tus, asked: str) -> None:
    response = tus.create(5, Upload_Metadata=f"keep {b64(asked)}".strip())
    assert (response.status_code, response.json()["code"]) == (400, "bad_metadata")
    assert not Upload.objects.exists()


@pytest.mark.parametrize("concat", ["partial", "final;/uploads/../../etc/passwd"])
def test_concatenation_is_refused(tus: Tus, concat: str) -> None:
    response = tus.create(10, Upload_Concat=concat)
    assert (response.status_code, response.json()["code"]) == (400, "unsupported_extension")
    assert not Upload.objects.exists()


def test_a_file_over_the_maximum_is_refused(tus: Tus, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = 100
    response = tus.create(101)
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_a_file_over_the_quota_is_refused_and_the_reservation_counts(tus: Tus, settings: Any) -> None:
    settings.QUOTA_BYTES = 100
    tus.created(60)
    response = tus.create(41)
    assert (response.status_code, response.json()["code"]) == (413, "quota_exceeded")
    assert tus.create(40).status_code == 201


def test_a_cancelled_upload_frees_its_quota(tus: Tus, settings: Any) -> None:
    settings.QUOTA_BYTES = 100
    tus.delete(tus.created(100))
    assert tus.create(100).status_code == 201


def test_a_first_chunk_of_the_wrong_type_is_refused(tus: Tus) -> None:
    response = tus.request("POST", "/uploads/", b"12345", type="text/csv", Upload_Length="5")
    assert (response.status_code, response.json()["code"]) == (415, "bad_content_type")


def test_a_first_chunk_beyond_the_length_is_refused(tus: Tus) -> None:
    assert tus.create(3, b"12345").status_code == 413
    assert not Upload.objects.exists()


@pytest.mark.parametrize("version", [None, "0.2.2"])
def test_another_version_of_the_protocol_is_refused(tus: Tus, version: str | None) -> None:
    response = tus.create(5, Tus_Resumable=version)
    assert (response.status_code, response["Tus-Version"]) == (412, "1.0.0")


def test_nobody_is_refused(nobody: Tus) -> None:
    response = nobody.create(5)
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert response["Tus-Resumable"] == "1.0.0"


def test_a_session_without_csrf_token_is_refused(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert Tus(client).create(5).status_code == 403
    assert not Upload.objects.exists()


def test_a_session_with_csrf_token_is_served(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    client.get("/")
    csrf = client.cookies["csrftoken"].value
    assert Tus(client).create(5, X_CSRFToken=csrf).status_code == 201


def test_a_token_needs_no_csrf_token(token: str) -> None:
    assert Tus(Client(enforce_csrf_checks=True), token).create(5).status_code == 201


@pytest.mark.parametrize("method", ["GET", "PUT", "TRACE"])
def test_other_methods_are_refused(tus: Tus, method: str) -> None:
    response = tus.request(method, "/uploads/")
    assert (response.status_code, response["Allow"]) == (405, "OPTIONS, POST")
