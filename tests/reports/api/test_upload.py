"""A file and its job in one request."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError
from django.test import Client

from accounts import tokens
from accounts.models import IdempotentRequest, User
from reports import lifecycle, options, runner
from reports.models import Job
from tests.files import HEADER, sales_csv
from uploads import multipart
from uploads.models import Part, Upload

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/api/jobs/upload"
DATA = sales_csv(20_000)
SHOPS = b"Region,Day,Takings\nNorth,2024-01-01,1.50\nSouth,yesterday,-2\n"


@pytest.fixture
def send(token: str) -> Callable[..., Any]:
    """send(data, field=…) -> the answer to the form of `user`."""

    def post(data: bytes | None = DATA, *, token: str = token, key: str = "", **fields: str) -> Any:
        form: dict[str, Any] = dict(fields)
        if data is not None:
            form["file"] = SimpleUploadedFile("sales.csv", data)
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        return Client(raise_request_exception=False).post(PATH, form, headers=headers)

    return post


def refused(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def nothing_is_left(files: Path) -> bool:
    stored = [path for path in files.rglob("*") if path.is_file()]
    return not (stored or Job.objects.exists() or Upload.objects.exists() or Part.objects.exists())


def test_the_answer_is_the_job_and_the_job_is_done(send: Any, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "PART_BYTES", 100_000)
    response = send()
    job = Job.objects.get()
    assert response.status_code == 201
    assert response["Location"] == f"/api/jobs/{job.pk}"
    told = response.json()
    assert (told["jobId"], told["fileKey"]) == (str(job.pk), str(job.upload_id))
    assert (told["status"], told["fileName"], told["totalBytes"]) == ("pending", "sales.csv", len(DATA))
    assert (job.owner, job.upload.state, job.options) == (user, "complete", {})
    assert job.upload.parts.count() > 1
    runner.run_all()
    job.refresh_from_db()
    assert (job.status, job.rows, job.bad_rows) == ("completed", 20_000, 0)


def test_the_file_goes_with_its_last_job(send: Any, files: Path) -> None:
    send()
    runner.run_all()
    lifecycle.delete(Job.objects.get())
    assert nothing_is_left(files)


def test_columns_and_amounts_are_chosen_by_fields(send: Any) -> None:
    told = send(SHOPS, department="Region", sales="Takings", date="", amounts="true").json()
    assert told["options"] == {
        "columns": {"department": "Region", "date": "", "sales": "Takings"},
        "amounts": True,
    }
    runner.run_all()
    job = Job.objects.get()
    assert (job.status, job.total, job.bad_rows) == ("completed", "-0.50", 0)


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"amounts": "yes"}, 400, "bad_options"),
        ({"department": " "}, 400, "bad_options"),
        ({"department": "x" * 1001}, 400, "bad_options"),
        ({"department": "a\0b"}, 400, "bad_options"),
        ({"department": "A", "sales": "a"}, 400, "bad_options"),
        ({"departement": "A"}, 422, "unknown_field"),
        ({"department": ["A", "B"]}, 422, "repeated_field"),
    ],
)
def test_options_that_make_no_sense_are_told_and_leave_nothing_behind(
    send: Any, files: Path, fields: dict[str, str], status: int, code: str
) -> None:
    assert refused(send(**fields)) == (status, code)
    assert nothing_is_left(files)


def test_without_a_file_there_is_no_job(send: Any, files: Path) -> None:
    for fields in ({}, {"department": "A"}):
        assert refused(send(None, **fields)) == (400, "file_missing")
    assert nothing_is_left(files)


def test_what_is_not_multipart_is_refused(token: str, files: Path) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    response = Client().post(PATH, DATA, content_type="text/csv", headers=headers)
    assert refused(response) == (415, "not_multipart")
    assert nothing_is_left(files)


def test_a_file_over_the_quota_leaves_nothing_behind(send: Any, settings: Any, files: Path) -> None:
    settings.QUOTA_BYTES = 1000
    assert refused(send()) == (413, "quota_exceeded")
    assert nothing_is_left(files)


def test_one_job_too_many_is_refused_before_its_file_is_stored(send: Any, settings: Any, files: Path) -> None:
    settings.MAX_OPEN_JOBS = 1
    assert send().status_code == 201
    response = send()
    assert refused(response) == (429, "too_many_jobs")
    assert int(response["Retry-After"]) > 0
    assert (Job.objects.count(), Upload.objects.count()) == (1, 1)


def test_a_job_that_was_made_meanwhile_counts_too(
    send: Any, settings: Any, monkeypatch: pytest.MonkeyPatch, files: Path
) -> None:
    settings.MAX_OPEN_JOBS = 0
    asked: list[User] = []
    original = lifecycle.check_open_jobs

    def later(owner: User) -> None:
        if asked:
            original(owner)
        asked.append(owner)

    monkeypatch.setattr(lifecycle, "check_open_jobs", later)
    assert refused(send()) == (429, "too_many_jobs")
    assert len(asked) == 1
    assert nothing_is_left(files)


def test_a_database_that_fails_at_the_end_leaves_nothing_behind(
    send: Any, monkeypatch: pytest.MonkeyPatch, files: Path
) -> None:
    def failing(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(lifecycle, "process", failing)
    assert refused(send(key="march")) == (500, "server_error")
    assert nothing_is_left(files)
    assert not IdempotentRequest.objects.exists()


def test_asked_again_with_the_same_key_there_is_one_job(send: Any) -> None:
    first, second = send(key="march"), send(key="march")
    assert (second.status_code, second.json(), second["Location"]) == (201, first.json(), first["Location"])
    assert (Job.objects.count(), Upload.objects.count()) == (1, 1)


def test_nobody_is_refused(files: Path) -> None:
    response = Client().post(PATH, {"file": SimpleUploadedFile("sales.csv", DATA)})
    assert refused(response) == (401, "unauthorized")
    assert nothing_is_left(files)


def test_a_token_for_reading_is_refused(send: Any, user: User, files: Path) -> None:
    reader = tokens.issue(user, name="reader", scopes="read")
    assert refused(send(token=reader)) == (403, "insufficient_scope")
    assert nothing_is_left(files)


def test_somebody_else_does_not_see_it(send: Any, stranger: User) -> None:
    job = send().json()["jobId"]
    theirs = {"Authorization": f"Bearer {tokens.issue(stranger, name='tests')}"}
    assert refused(Client().get(f"/api/jobs/{job}", headers=theirs)) == (404, "not_found")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_refused(token: str, method: str) -> None:
    response = Client().generic(method, PATH, headers={"Authorization": f"Bearer {token}"})
    assert refused(response) == (405, "method_not_allowed")


def test_a_small_file_of_one_row_is_enough(send: Any) -> None:
    send(HEADER.encode() + b"Toys,2024-01-01,3\n")
    runner.run_all()
    assert Job.objects.get().total == "3"


@pytest.mark.parametrize(("path", "more"), [("/api/files", set()), (PATH, set(options.keys()))])
def test_the_form_is_described(path: str, more: set[str]) -> None:
    described = Client().get("/api/openapi.json").json()["paths"][path]["post"]
    body = described["requestBody"]
    schema = body["content"]["multipart/form-data"]["schema"]
    assert body["required"]
    assert (schema["required"], schema["additionalProperties"]) == (["file"], False)
    assert schema["properties"]["file"]["format"] == "binary"
    assert set(schema["properties"]) == {"file", *more}
    assert "Location" in described["responses"]["201"]["headers"]
    assert {"400", "401", "403", "409", "413", "415", "422", "429", "507"} <= set(described["responses"])


def test_a_key_is_good_for_one_file(send: Any) -> None:
    first = send(SHOPS, key="march", department="Region")
    assert first.status_code == 201
    again = send(SHOPS, key="march", department="Region")
    assert (again.json(), again["Idempotent-Replayed"]) == (first.json(), "true")
    other = SHOPS.replace(b"1.50", b"9.50")
    assert len(other) == len(SHOPS)
    assert refused(send(other, key="march", department="Region")) == (422, "idempotency_key_reused")
    assert refused(send(SHOPS, key="march", department="Gegend")) == (422, "idempotency_key_reused")
    assert (Job.objects.count(), Upload.objects.count()) == (1, 1)
