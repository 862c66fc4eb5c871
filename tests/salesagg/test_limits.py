"""The limits, told to programs before they meet them."""

from typing import Any

import pytest
from django.test import Client

from accounts import tokens
from accounts.models import User
from reports import lifecycle
from tests.conftest import MakeUpload

pytestmark = pytest.mark.django_db(transaction=True)
DATA = b"Department Name,Date,Number of Sales\nToys,2024-01-01,3\n"


def limits(user: User) -> dict[str, Any]:
    response = Client().get("/api/limits", headers={"Authorization": f"Bearer {tokens.issue(user, name='tests')}"})
    assert response.status_code == 200
    told: dict[str, Any] = response.json()
    return told


def test_everything_a_program_must_know_is_told(user: User, settings: Any) -> None:
    settings.MAX_BODY_BYTES, settings.MAX_UPLOAD_BYTES, settings.QUOTA_BYTES = 1000, 2000, 3000
    settings.UPLOAD_EXPIRES_HOURS, settings.DOWNLOAD_URL_SECONDS = 5, 60
    settings.API_REQUESTS_PER_MINUTE, settings.API_REQUESTS_PER_MINUTE_PER_ADDRESS = 70, 80
    settings.MAX_OPEN_JOBS = 9
    settings.MAX_UNFINISHED_UPLOADS, settings.UPLOADS_PER_MINUTE, settings.CHUNKS_PER_MINUTE = 12, 13, 14
    told = limits(user)
    assert [each["kind"] for each in told.pop("kinds")] == ["sales", "customers"]
    assert told == {
        "maxBodyBytes": 1000,
        "maxUploadBytes": 2000,
        "chunkBytes": 500,
        "uploadExpiresHours": 5,
        "quotaBytes": 3000,
        "usedBytes": 0,
        "maxUnfinishedUploads": 12,
        "uploadsPerMinute": 13,
        "chunksPerMinute": 14,
        "maxOpenJobs": 9,
        "openJobs": 0,
        "requestsPerMinute": 70,
        "requestsPerMinutePerAddress": 80,
        "downloadUrlSeconds": 60,
        "importPrefix": f"imports/{user.pk}/",
        "formats": ["csv", "xlsx", "json", "parquet"],
    }


def test_the_kinds_of_files_are_told_with_the_columns_that_each_has(user: User) -> None:
    sales, customers = limits(user)["kinds"]
    assert (sales["hasResult"], sales["canBeUndone"]) == (True, False)
    assert (customers["hasResult"], customers["canBeUndone"]) == (False, True)
    assert [each["key"] for each in sales["columns"]] == ["department", "date", "sales"]
    assert customers["columns"][2] == {
        "role": "phone",
        "key": "phone_column",
        "names": ["phone", "phonenumber", "telephone", "mobile"],
        "required": False,
    }


def test_what_does_not_limit_is_null(user: User, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = settings.API_REQUESTS_PER_MINUTE_PER_ADDRESS = 0
    settings.IMPORT_PREFIX = ""
    told = limits(user)
    assert told["requestsPerMinute"] is told["requestsPerMinutePerAddress"] is told["importPrefix"] is None


def test_what_is_used_is_ones_own(user: User, stranger: User, make_upload: MakeUpload) -> None:
    jobs = [make_upload(DATA, whole=whole, chunk=20).jobs.get() for whole in (True, False)]
    make_upload(DATA, owner=stranger)
    told = limits(user)
    assert (told["usedBytes"], told["openJobs"]) == (2 * len(DATA), 2)
    lifecycle.cancel(jobs[0])
    assert limits(user)["openJobs"] == 1


def test_the_body_that_is_told_to_fit_fits_and_more_does_not(user: User, token: str, settings: Any) -> None:
    settings.MAX_BODY_BYTES = 100
    headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0", "Upload-Length": "1000"}
    largest = limits(user)["maxBodyBytes"]
    statuses = [
        Client()
        .post("/uploads/", b"x" * size, content_type="application/offset+octet-stream", headers=headers)
        .status_code
        for size in (largest, largest + 1)
    ]
    assert statuses == [201, 413]


def test_nobody_else_is_told(db: None) -> None:
    assert Client().get("/api/limits").status_code == 401


def test_it_is_only_looked_at(ann: Client) -> None:
    answer = ann.post("/api/limits")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
