"""A person's own data, taken home."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import AsyncClient, Client

from accounts import audit, tokens
from accounts import export as account_export
from accounts.export import archive
from accounts.models import ApiToken, User
from reports import lifecycle
from reports.customers import export
from reports.models import Job
from tests.conftest import MakeUpload
from tests.files import HEADER

pytestmark = pytest.mark.django_db(transaction=True)
DATA = HEADER.encode() + b"Toys,2024-01-01,3\nBooks,2024-01-01,4\nToys,never,1\n"
RESULT = b"Department Name,Total Number of Sales\nBooks,4\nToys,3\n"
CUSTOMERS = b"name,email,company\n" + b"".join(b"C%d,c%d@example.org,C\n" % (each, each) for each in range(3))
Finished = Callable[..., Job]


def unpack(data: bytes) -> dict[str, Any]:
    """Every file of the export: JSON read, the rest as bytes."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        assert packed.testzip() is None
        files = {name: packed.read(name) for name in packed.namelist()}
    return {name: json.loads(data) if name.endswith(".json") else data for name, data in files.items()}


def export_of(user: User) -> dict[str, Any]:
    return unpack(b"".join(archive(user)))


async def test_the_download_is_a_zip_that_nobody_keeps(streaming_ann: AsyncClient, user: User) -> None:
    response = await streaming_ann.post("/account/export")
    data = b"".join([piece async for piece in response.streaming_content])  # type: ignore[attr-defined]
    assert unpack(data)["account.json"]["email"] == user.email
    assert response["Content-Type"] == "application/zip"
    assert response["Content-Disposition"].startswith('attachment; filename="salesagg-20')
    assert response["Cache-Control"] == "private, no-store"


def test_it_has_account_tokens_sessions_uploads_jobs_and_results(
    user: User, ann: Client, token: str, finished: Finished, make_upload: MakeUpload
) -> None:
    ann.get("/account/")
    job = finished(DATA, name="sales 2024.csv")
    make_upload(DATA, whole=False, chunk=10, name="unfinished.csv")
    files = export_of(user)
    assert files["account.json"]["email_when_done"] is False
    (known,) = files["tokens.json"]
    assert (known["name"], known["scopes"], known["expires_at"], known["revoked_at"]) == (
        "tests",
        "read write",
        None,
        None,
    )
    assert [session["ip"] for session in files["sessions.json"]] == ["127.0.0.1"]
    assert [entry["action"] for entry in files["activity.json"]] == ["login", "token.made", "job.made", "job.made"]
    assert [(upload["filename"], upload["state"]) for upload in files["uploads.json"]] == [
        ("sales 2024.csv", "complete"),
        ("unfinished.csv", "receiving"),
    ]
    done, pending = files["jobs.json"]
    assert (done["id"], done["rows"], done["bad_rows"], done["total"]) == (str(job.pk), 3, 1, "7")
    assert (pending["status"], pending["result"]) == ("pending", None)
    assert done["result"] == f"results/sales_2024-{job.pk}.csv"
    assert files[done["result"]] == RESULT
    assert files["second_factors.json"] == []
    assert len(files) == 9


def test_it_has_customers_as_a_file_that_can_be_imported_again_and_tells_what_was_undone(
    user: User, imported: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "BATCH", 2)
    undone = imported(b"name,email,company\nZoe,zoe@example.org,Zoos\n")
    lifecycle.undo(undone)
    job = imported(CUSTOMERS + b"no,address,\n")
    files = export_of(user)
    assert files["customers.csv"] == b"name,email,phone,company" + CUSTOMERS.partition(b"company")[2].replace(
        b"org,", b"org,,"
    )
    first, second = files["jobs.json"]
    assert (first["id"], first["result"], first["undone_at"] is None) == (str(undone.pk), None, False)
    assert (second["id"], second["result"], second["undone_at"]) == (str(job.pk), None, None)
    assert (second["rows"], second["bad_rows"], second["reasons"]["invalid_email"]) == (4, 1, 1)


def test_it_has_ones_own_things_alone(
    user: User, stranger: User, token: str, bob: Client, finished: Finished, imported: Finished
) -> None:
    bob.get("/account/")
    tokens.issue(stranger, name="theirs")
    finished(DATA, owner=stranger, name="theirs.csv")
    imported(CUSTOMERS, owner=stranger)
    data = b"".join(archive(user))
    assert {name: len(files) for name, files in unpack(data).items() if name != "account.json"} == {
        "tokens.json": 1,
        "second_factors.json": 0,
        "sessions.json": 0,
        # Only the making of the token that is counted above.
        "activity.json": 1,
        "uploads.json": 0,
        "jobs.json": 0,
        "webhooks.json": 0,
    }
    assert "theirs" not in str(unpack(data))
    assert stranger.email not in str(unpack(data))


def test_it_has_nothing_that_opens_anything(user: User, ann: Client, token: str) -> None:
    ann.get("/account/")
    told = str(export_of(user))
    for secret in (token, ApiToken.objects.get().digest, user.password, str(ann.session.session_key)):
        assert secret not in told


def test_a_file_name_cannot_lead_out_of_the_folder(user: User, finished: Finished) -> None:
    job = finished(DATA, name="..\\..\\etc/<passwd>.csv")
    [result] = [name for name in export_of(user) if name.startswith("results/")]
    assert result.count("/") == 1
    assert "\\" not in result
    assert str(job.pk) in result


def test_a_result_that_is_deleted_meanwhile_is_left_out(user: User, finished: Finished) -> None:
    default_storage.delete(finished(DATA).result_name)
    assert "jobs.json" in export_of(user)
    assert not [name for name in export_of(user) if name.startswith("results/")]


def test_a_person_downloads_their_data_once_at_a_time(ann: Client, bob: Client) -> None:
    first: Any = ann.post("/account/export")
    second = ann.post("/account/export")
    assert (second.status_code, second.json()["code"]) == (429, "export_in_progress")
    assert int(second["Retry-After"]) > 0
    others = bob.post("/account/export")
    assert others.status_code == 200
    others.close()
    first.close()
    third = ann.post("/account/export")
    assert third.status_code == 200
    third.close()


def test_an_export_is_never_whole_on_the_server(
    user: User, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_export, "CHUNK_BYTES", 1000)
    finished(HEADER.encode() + b"".join(b"Department %d,2024-01-01,%d\n" % (n, n) for n in range(5000)))
    pieces = archive(user)
    first = next(pieces)
    # Something is sent while most of it has not been made.
    assert 0 < len(first) < 5000
    assert unpack(first + b"".join(pieces))["account.json"]["email"] == user.email


def test_an_export_that_its_client_leaves_can_be_closed_at_any_piece(
    user: User, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_export, "CHUNK_BYTES", 10)
    finished(DATA)
    for taken in range(5):
        pieces = archive(user)
        for _piece in range(taken):
            next(pieces)
        pieces.close()


def test_lists_of_any_length_are_exported_whole_in_batches(
    user: User, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_export, "BATCH", 2)
    monkeypatch.setattr(audit, "EXPORTED_AT_ONCE", 2)
    names = [f"{number}.csv" for number in range(5)]
    for name in names:
        finished(DATA, name=name)
    files = export_of(user)
    assert [job["filename"] for job in files["jobs.json"]] == names
    assert [upload["filename"] for upload in files["uploads.json"]] == names
    assert [entry["action"] for entry in files["activity.json"]] == ["job.made"] * 5
    assert len([name for name in files if name.startswith("results/")]) == 5
