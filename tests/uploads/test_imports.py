"""Objects that are in the storage already: taken as files where they are, and never deleted by us."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from accounts import deletion, tokens
from accounts.models import User
from reports import lifecycle as jobs
from reports import runner
from reports.models import Job
from tests.files import sales_csv
from tests.services import S3
from uploads import cleanup, lifecycle
from uploads.models import Part, Upload
from uploads.reader import PartChanged, read

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(200)
Taking = Callable[..., Upload]


@pytest.fixture
def key(user: User) -> str:
    """An object that a program of `user` has put into the storage."""
    return put(f"imports/{user.pk}/2024/sales.csv")


def put(key: str, data: bytes = DATA) -> str:
    default_storage.delete(key)
    assert default_storage.save(key, ContentFile(data)) == key
    return key


@pytest.fixture
def ask(token: str) -> Callable[..., Any]:
    """ask(key, …) -> the answer to `user` who wants it imported."""

    def send(key: str, *, token: str = token, headers: dict[str, str] | None = None, **more: Any) -> Any:
        sent = {"Authorization": f"Bearer {token}"} | (headers or {})
        client = Client(raise_request_exception=False)
        return client.post("/api/files/import", {"key": key, **more}, content_type="application/json", headers=sent)

    return send


@pytest.fixture
def taken(ask: Any, key: str) -> Upload:
    assert ask(key).status_code == 201
    return Upload.objects.get()


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def test_an_object_becomes_a_file_where_it_is(ask: Any, key: str, user: User, files: Path) -> None:
    response = ask(key)
    upload, part = Upload.objects.get(), Part.objects.get()
    assert response.status_code == 201
    assert response["Location"] == f"/api/files/{upload.pk}"
    told = response.json()
    assert (told["fileKey"], told["fileName"], told["state"]) == (str(upload.pk), "sales.csv", "complete")
    assert (told["size"], told["receivedBytes"], told["keep"]) == (len(DATA), len(DATA), True)
    assert (upload.owner, upload.state) == (user, "complete")
    assert (part.storage_name, part.borrowed, part.sha256, part.size) == (key, True, "", len(DATA))
    assert [path for path in files.rglob("*") if path.is_file()] == [files / key]
    assert read(upload, 10, 20) == DATA[10:30]


def test_it_may_have_another_name(ask: Any, key: str) -> None:
    assert ask(key, fileName="../North 2024.csv").json()["fileName"] == "North 2024.csv"


def test_an_empty_object_is_a_file(ask: Any, user: User) -> None:
    assert ask(put(f"imports/{user.pk}/none.csv", b"")).json()["size"] == 0
    assert Upload.objects.get().state == "complete"


def test_a_report_is_made_of_it(taken: Upload, settings: Any) -> None:
    settings.WINDOW_BYTES = len(DATA) // 3
    job = jobs.process(taken, {})
    runner.run_all()
    job.refresh_from_db()
    assert (job.status, job.rows) == ("completed", 200)


def test_it_is_taken_and_read_from_s3(in_s3: S3, ask: Any, key: str, settings: Any) -> None:
    settings.WINDOW_BYTES = len(DATA) // 3
    assert ask(key).status_code == 201
    upload = Upload.objects.get()
    job = jobs.process(upload, {})
    runner.run_all()
    job.refresh_from_db()
    assert (job.status, job.rows) == ("completed", 200)
    lifecycle.delete(upload)
    assert key in in_s3.object_names()


@pytest.mark.parametrize(
    "path",
    [
        "",
        "none.csv",
        "2024",
        "2024/",
        "/2024/sales.csv",
        "2024//sales.csv",
        "./2024/sales.csv",
        "2024/../2024/sales.csv",
        "../{other}/theirs.csv",
        "2024\\sales.csv",
        "2024/sales.csv\0",
        "2024/sales.csv\n",
        "x" * 500,
        "ü" * 510,
    ],
)
def test_what_is_no_object_of_ones_own_is_not_there(ask: Any, key: str, user: User, stranger: User, path: str) -> None:
    put(f"imports/{stranger.pk}/theirs.csv")
    asked = f"imports/{user.pk}/{path}".replace("{other}", str(stranger.pk))
    response = ask(asked)
    assert code(response) == (404, "no_such_object")
    assert f"imports/{user.pk}/" in response.json()["detail"]
    assert not Upload.objects.exists()


def test_what_is_elsewhere_in_the_storage_is_not_there(ask: Any, key: str, user: User, stranger: User) -> None:
    theirs = put(f"imports/{stranger.pk}/theirs.csv")
    part = put("uploads/1/part")
    longer = put(f"imports/{user.pk}0/theirs.csv")
    for asked in (theirs, part, longer, f"/{key}", key.upper(), f"../files/{key}", "imports", "secret_key"):
        assert code(ask(asked)) == (404, "no_such_object")
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    "body",
    [{}, {"key": ""}, {"key": "x" * 1025}, {"key": 1}, {"key": "x", "more": 1}, {"key": "x", "fileName": "x" * 256}],
)
def test_a_request_that_makes_no_sense_is_refused(token: str, body: dict[str, Any]) -> None:
    sent = {"Authorization": f"Bearer {token}"}
    response = Client().post("/api/files/import", body, content_type="application/json", headers=sent)
    assert code(response) == (422, "invalid_request")


@pytest.mark.parametrize("where", ["file", "folder", "sibling"])
def test_symbolic_links_are_not_followed(ask: Any, user: User, where: str, tmp_path: Path, files: Path) -> None:
    """A person who may write into the own folder would read any file of the server."""
    own = files / "imports" / str(user.pk)
    own.mkdir(parents=True)
    target = own / "real.csv" if where == "sibling" else tmp_path / "secret.csv"
    target.write_bytes(DATA)
    if where == "folder":
        (own / "linked").symlink_to(tmp_path, target_is_directory=True)
    else:
        (own / "linked.csv").symlink_to(target)
    name = "linked/secret.csv" if where == "folder" else "linked.csv"
    assert ask(f"imports/{user.pk}/{name}").status_code == 404


def test_file_that_becomes_a_link_is_not_read(ask: Any, user: User, tmp_path: Path, files: Path) -> None:
    own = files / "imports" / str(user.pk)
    own.mkdir(parents=True)
    (own / "sales.csv").write_bytes(DATA)
    assert ask(f"imports/{user.pk}/sales.csv").status_code == 201
    (own / "sales.csv").rename(tmp_path / "elsewhere.csv")
    (own / "sales.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(PartChanged):
        read(Upload.objects.get(), 0, 10)


def test_a_lone_surrogate_is_refused(token: str) -> None:
    sent = {"Authorization": f"Bearer {token}"}
    body = r'{"key": "imports/1/\ud800"}'
    response = Client().post("/api/files/import", body, content_type="application/json", headers=sent)
    assert code(response) == (400, "bad_request")


@pytest.mark.parametrize("prefix", ["", "uploads/", "imports"])
def test_where_importing_is_off_or_would_be_unsafe_nothing_is_imported(
    ask: Any, key: str, settings: Any, prefix: str
) -> None:
    settings.IMPORT_PREFIX = prefix
    assert code(ask(key)) == (403, "import_disabled")
    assert not Upload.objects.exists()


def test_a_prefix_may_be_the_same_for_everybody(ask: Any, settings: Any) -> None:
    settings.IMPORT_PREFIX = "shared/in/"
    assert ask(put("shared/in/sales.csv")).status_code == 201


def test_it_counts_towards_the_quota(ask: Any, key: str, user: User, settings: Any) -> None:
    settings.QUOTA_BYTES = len(DATA) + 10
    assert ask(key).status_code == 201
    assert lifecycle.stored_by(user) == len(DATA)
    assert code(ask(key)) == (413, "quota_exceeded")
    assert (Upload.objects.count(), Part.objects.count()) == (1, 1)


def test_one_over_the_maximum_is_refused(ask: Any, key: str, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = len(DATA) - 1
    assert code(ask(key)) == (413, "too_large")
    assert not Upload.objects.exists()


def test_asked_again_with_the_same_key_it_is_imported_once_even_when_it_has_gone(ask: Any, key: str) -> None:
    first = ask(key, headers={"Idempotency-Key": "march"})
    default_storage.delete(key)
    second = ask(key, headers={"Idempotency-Key": "march"})
    assert (second.status_code, second.json()) == (201, first.json())
    assert Upload.objects.count() == 1


def test_somebody_else_cannot_import_it(ask: Any, key: str, stranger: User) -> None:
    assert code(ask(key, token=tokens.issue(stranger, name="tests"))) == (404, "no_such_object")


# --- It is somebody else's object: changed, and never deleted.


@pytest.mark.parametrize("storage", ["files", "s3"])
@pytest.mark.parametrize("change", ["changed", "longer", "removed"])
def test_a_job_that_finds_it_changed_fails_and_says_so(
    request: pytest.FixtureRequest, storage: str, change: str
) -> None:
    if storage == "s3":
        request.getfixturevalue("in_s3")
    upload = request.getfixturevalue("taken")
    key = Part.objects.get().storage_name
    if change == "removed":
        default_storage.delete(key)
    else:
        put(key, DATA[:-1] + b"9" if change == "changed" else DATA + DATA)
    with pytest.raises(PartChanged):
        read(upload, 0, 10)
    job = jobs.process(upload, {})
    runner.run_all()
    job.refresh_from_db()
    assert (job.status, job.error_code) == ("failed", "upload_changed")
    assert job.error == ("The file was changed or removed in the storage after it had been imported. Import it again.")


def test_a_job_never_mixes_two_editions(taken: Upload, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WINDOW_BYTES = len(DATA) // 3
    original = jobs.commit_window

    def changed_after_the_first(*args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        put(Part.objects.get().storage_name, DATA.replace(b"0", b"1"))

    monkeypatch.setattr(jobs, "commit_window", changed_after_the_first)
    job = jobs.process(taken, {})
    runner.run_all()
    job.refresh_from_db()
    assert (job.status, job.error_code) == ("failed", "upload_changed")
    assert job.bytes_done > 0


def forget_by_api(upload: Upload, token: str) -> None:
    sent = {"Authorization": f"Bearer {token}"}
    assert Client().delete(f"/api/files/{upload.pk}", headers=sent).status_code == 204


def forget_by_api_with_report(upload: Upload, token: str) -> None:
    jobs.process(upload, {})
    runner.run_all()
    forget_by_api(upload, token)
    assert Job.objects.get().status == "completed"


def forget_by_tus(upload: Upload, token: str) -> None:
    sent = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
    assert Client().delete(f"/uploads/{upload.pk}/", headers=sent).status_code == 204


def forget_with_its_last_job(upload: Upload, token: str) -> None:
    job = jobs.process(upload, {})
    runner.run_all()
    lifecycle.let_go(upload)
    jobs.delete(job)
    assert not Upload.objects.exists()


def forget_with_the_account(upload: Upload, token: str) -> None:
    jobs.process(upload, {})
    assert deletion.delete(upload.owner)
    assert not User.objects.exists()


def forget_what_was_cut_short(upload: Upload, token: str) -> None:
    lifecycle.abandon(upload)
    assert cleanup.remove_leftovers() == 1


@pytest.mark.parametrize(
    "forget",
    [
        forget_by_api,
        forget_by_api_with_report,
        forget_by_tus,
        forget_with_its_last_job,
        forget_with_the_account,
        forget_what_was_cut_short,
    ],
)
@pytest.mark.parametrize("storage", ["files", "s3"])
def test_whatever_becomes_of_the_file_the_object_stays(
    request: pytest.FixtureRequest, token: str, storage: str, forget: Callable[[Upload, str], None]
) -> None:
    if storage == "s3":
        request.getfixturevalue("in_s3")
    upload = request.getfixturevalue("taken")
    key = Part.objects.get().storage_name
    forget(upload, token)
    assert not Part.objects.exists()
    with default_storage.open(key) as kept:
        assert kept.read() == DATA


def test_the_search_for_orphans_leaves_it_alone(taken: Upload, files: Path) -> None:
    path = files / Part.objects.get().storage_name
    lifecycle.delete(taken)
    os.utime(path, (time.time() - 10**6,) * 2)
    assert cleanup.remove_orphans() == 0
    assert path.exists()
