"""Stored files as programs see them: listed, looked at, deleted."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts import tokens
from accounts.models import User
from reports import lifecycle as jobs
from reports import runner
from reports.models import Job
from tests.conftest import MakeUpload, append, b64
from tests.files import sales_csv
from tests.uploads.conftest import Tus
from uploads import lifecycle
from uploads.models import Part, Upload

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(50)
Finished = Callable[..., Job]


@pytest.fixture
def ask(token: str) -> Callable[..., Any]:
    """ask(method, path after /api/files, token=…) -> the answer to that user."""

    def send(method: str, path: str = "", *, token: str = token) -> Any:
        return Client().generic(method, f"/api/files{path}", headers={"Authorization": f"Bearer {token}"})

    return send


@pytest.fixture
def strangers_token(stranger: User) -> str:
    return tokens.issue(stranger, name="tests")


def keep(owner: User, data: bytes = DATA, name: str = "kept.csv") -> Upload:
    """A file that is stored for its own sake."""
    upload = lifecycle.create(owner, length=len(data), metadata=f"filename {b64(name)}", keep=True)
    return append(upload, data)


def stored(files: Path) -> list[Path]:
    return [path for path in files.rglob("*") if path.is_file()]


def names(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [item["fileName"] for item in response.json()["items"]]


def test_the_list_has_all_that_is_stored_newest_first(ask: Any, user: User, make_upload: MakeUpload) -> None:
    keep(user, name="first.csv")
    make_upload(DATA, name="second.csv")
    make_upload(DATA, chunk=100, whole=False, name="coming.csv")
    lifecycle.cancel(make_upload(DATA, name="cancelled.csv"))
    response = ask("GET")
    assert names(response) == ["coming.csv", "second.csv", "first.csv"]
    coming, second, first = response.json()["items"]
    assert (first["keep"], second["keep"]) == (True, False)
    assert (coming["state"], coming["size"], coming["completedAt"]) == ("receiving", len(DATA), None)
    assert coming["receivedBytes"] < len(DATA)
    assert coming["expiresAt"] > coming["createdAt"]
    assert (second["state"], second["receivedBytes"], second["expiresAt"]) == ("complete", len(DATA), None)


def test_it_is_filtered_by_name_and_by_whether_files_are_kept(ask: Any, user: User, make_upload: MakeUpload) -> None:
    keep(user, name="North 2024.csv")
    make_upload(DATA, name="South 2024.csv")
    assert names(ask("GET", "?q=north")) == ["North 2024.csv"]
    assert names(ask("GET", "?keep=true")) == ["North 2024.csv"]
    assert names(ask("GET", "?keep=false")) == ["South 2024.csv"]
    assert names(ask("GET", "?keep=true&q=south")) == []
    assert len(names(ask("GET", "?q=20%0024"))) == 2


@pytest.mark.parametrize("query", ["keep=perhaps", "limit=0", "limit=201", "q=" + "x" * 256])
def test_a_filter_that_makes_no_sense_is_refused(ask: Any, query: str) -> None:
    assert (ask("GET", f"?{query}").status_code, ask("GET", f"?{query}").json()["code"]) == (422, "invalid_request")


def test_a_cursor_that_is_none_is_refused(ask: Any) -> None:
    assert (ask("GET", "?cursor=x").status_code, ask("GET", "?cursor=x").json()["code"]) == (400, "bad_cursor")


def test_pages_have_every_file_once_though_others_come_meanwhile(ask: Any, user: User) -> None:
    for number in range(5):
        keep(user, name=f"{number}.csv")
    page = ask("GET", "?limit=2")
    seen = names(page)
    keep(user, name="new.csv")
    while cursor := page.json()["next"]:
        page = ask("GET", f"?limit=2&cursor={cursor}")
        seen += names(page)
    assert seen == ["4.csv", "3.csv", "2.csv", "1.csv", "0.csv"]


def test_a_file_is_looked_at(ask: Any, user: User) -> None:
    upload = keep(user)
    response = ask("GET", f"/{upload.pk}")
    assert response.json() == ask("GET").json()["items"][0]
    again = Client().get(
        f"/api/files/{upload.pk}",
        headers={"Authorization": f"Bearer {tokens.issue(user, name='x')}", "If-None-Match": response["ETag"]},
    )
    assert again.status_code == 304


def test_a_deleted_file_leaves_neither_row_nor_bytes(ask: Any, user: User, files: Path) -> None:
    upload = keep(user)
    response = ask("DELETE", f"/{upload.pk}")
    assert (response.status_code, response.content) == (204, b"")
    assert not Upload.objects.exists()
    assert not Part.objects.exists()
    assert not stored(files)
    assert ask("GET", f"/{upload.pk}").status_code == 404
    assert ask("DELETE", f"/{upload.pk}").status_code == 404


def test_a_file_that_is_still_coming_is_deleted_too(ask: Any, tus: Tus, files: Path) -> None:
    path = tus.created(10, Upload_Metadata=f"keep {b64('true')}")
    assert tus.patch(path, b"12345").status_code == 204
    assert ask("DELETE", f"/{Upload.objects.get().pk}").status_code == 204
    assert not Upload.objects.exists()
    assert not stored(files)
    assert tus.patch(path, b"67890", 5).status_code == 404


def test_reports_outlast_their_file(ask: Any, ann: Client, finished: Finished, files: Path) -> None:
    job = finished(DATA)
    assert ask("DELETE", f"/{job.upload_id}").status_code == 204
    job.refresh_from_db()
    assert (job.status, job.upload.state) == ("completed", "cancelled")
    assert not Part.objects.exists()
    assert not [path for path in stored(files) if "uploads" in path.parts]
    assert ann.get(f"/jobs/{job.pk}/").status_code == 200
    assert [path.name for path in stored(files)] == [Path(job.result_name).name]
    assert names(ask("GET")) == []
    for method in ("GET", "DELETE"):
        gone = ask(method, f"/{job.upload_id}")
        assert (gone.status_code, gone.json()["code"]) == (410, "gone")
        assert "has been deleted" in gone.json()["detail"]
    jobs.delete(job)
    assert not Upload.objects.exists()


def test_a_file_that_a_job_reads_is_not_deleted_until_the_job_is_cancelled(
    ask: Any, make_upload: MakeUpload, files: Path
) -> None:
    upload = make_upload(DATA)
    response = ask("DELETE", f"/{upload.pk}")
    assert (response.status_code, response.json()["code"]) == (409, "file_in_use")
    assert "Cancel the job first" in response.json()["detail"]
    upload.refresh_from_db()
    assert upload.state == "complete"
    assert stored(files)
    jobs.cancel(upload.jobs.get())
    assert ask("DELETE", f"/{upload.pk}").status_code == 204
    assert not stored(files)


def test_a_kept_file_outlasts_its_jobs(ask: Any, user: User) -> None:
    upload = keep(user)
    job = jobs.process(upload, {})
    runner.run_all()
    jobs.delete(job)
    assert names(ask("GET")) == ["kept.csv"]
    assert jobs.process(upload, {}).status == "pending"


def test_somebody_elses_file_is_as_one_that_never_was(
    ask: Any, user: User, make_user: Any, strangers_token: str, files: Path
) -> None:
    upload = keep(user)
    staff = tokens.issue(make_user("root@example.org", is_staff=True, is_superuser=True), name="tests")
    for token in (strangers_token, staff):
        for method in ("GET", "DELETE"):
            theirs, none = (ask(method, f"/{pk}", token=token) for pk in (upload.pk, uuid.uuid4()))
            told = [{**answer.json(), "requestId": ""} for answer in (theirs, none)]
            assert (theirs.status_code, told[0]) == (none.status_code, told[1])
            assert (theirs.status_code, theirs.json()["code"]) == (404, "not_found")
        assert names(ask("GET", token=token)) == []
    assert stored(files)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("POST", ""), ("POST", "/import"), ("GET", "/1"), ("DELETE", "/1")]
)
def test_nobody_is_refused(user: User, method: str, path: str) -> None:
    pk = keep(user).pk
    response = Client().generic(method, f"/api/files{path.replace('1', str(pk))}")
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")


def test_a_token_for_reading_deletes_and_stores_nothing(ask: Any, user: User) -> None:
    upload = keep(user)
    reader = tokens.issue(user, name="reader", scopes="read")
    assert ask("GET", f"/{upload.pk}", token=reader).status_code == 200
    for method, path in [("DELETE", f"/{upload.pk}"), ("POST", ""), ("POST", "/import")]:
        response = ask(method, path, token=reader)
        assert (response.status_code, response.json()["code"]) == (403, "insufficient_scope")
    assert Upload.objects.count() == 1


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", ""), ("DELETE", ""), ("GET", "/import"), ("PATCH", "/1"), ("POST", "/1")]
)
def test_other_methods_are_refused(ask: Any, user: User, method: str, path: str) -> None:
    response = ask(method, path.replace("1", str(keep(user).pk)))
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
