"""Deleting an account: what the page asks, what is gone afterwards, and what happens when it is cut short."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.files.storage import FileSystemStorage
from django.db import OperationalError, connection
from django.db.models import Model
from django.test import Client

from accounts import deletion, holdings, tokens
from accounts.models import ApiToken, AuditEntry, User
from reports import lifecycle, runner, sweeper
from reports.customers import undoing
from reports.models import Customer, Job
from tests.accounts.conftest import text
from tests.conftest import PASSWORD, MakeUpload
from tests.files import HEADER, sales_csv
from uploads.models import Upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
DELETE = "/account/delete"
DATA = HEADER.encode() + b"Toys,2024-01-01,3\nToys,never,1\n"
CUSTOMERS = b"name,email,company\n" + b"".join(b"C,c%d@example.org,C\n" % each for each in range(5)) + b"?,?,?\n"
Finished = Callable[..., Job]


def stored(files: Path) -> set[str]:
    return {str(path.relative_to(files)) for path in files.rglob("*") if path.is_file()}


def rows() -> dict[str, int]:
    """How many rows each table has that holds anything of people; of the audit log see `test_audit`."""
    counted: list[type[Model]] = [
        model
        for model in apps.get_models()
        if model._meta.app_label not in ("auth", "contenttypes") and model is not AuditEntry
    ]
    return {model._meta.label: model._default_manager.count() for model in counted}


@pytest.fixture
def everything(
    user: User, ann: Client, token: str, finished: Finished, imported: Finished, make_upload: MakeUpload
) -> None:
    """All that a person can have: a report, a file with two, one being uploaded, one whose upload lost its job,
    customers with their import and without it."""
    Client().post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    ann.get("/account/")
    job = finished(DATA, name="done.csv")
    lifecycle.create(job.upload)
    runner.run_all()
    job.shares.create(expires_at="2100-01-01T00:00Z")
    imported(CUSTOMERS)
    lifecycle.delete(imported(b"name,email,company\nAda,ada@example.org,Engines\n"))
    make_upload(DATA, chunk=10, whole=False, name="unfinished.csv")
    make_upload(DATA, name="without a job.csv").jobs.get().delete()


def delete(client: Client, email: str = "ann@example.org") -> Any:
    return client.post(DELETE, {"email": email}, follow=True)


@pytest.mark.usefixtures("everything")
def test_the_page_says_exactly_what_is_lost(ann: Client, stranger: User, finished: Finished) -> None:
    finished(DATA, owner=stranger)
    page = text(ann.get(DELETE))
    assert "<dt>Reports with their downloads and shared links</dt><dd>4</dd>" in page
    assert "<dt>Customers</dt><dd>6</dd>" in page
    size = 3 * len(DATA) + len(CUSTOMERS)
    assert f"<dt>Uploaded files</dt><dd>4 ({size} B)</dd>" in page
    assert "programs that use them will be refused</dt><dd>1</dd>" in page
    assert Job.objects.count() == 5


def test_no_row_and_no_file_stays_and_nothing_of_others_is_touched(
    stranger: User,
    client_of: Callable[[User], Client],
    finished: Finished,
    imported: Finished,
    files: Path,
    request: pytest.FixtureRequest,
) -> None:
    theirs = finished(DATA, owner=stranger, name="theirs.csv")
    imported(CUSTOMERS, owner=stranger)
    their_token = tokens.issue(stranger, name="theirs")
    bob = client_of(stranger)
    bob.get("/account/")
    before = (rows() | {"accounts.User": 1}, stored(files))

    request.getfixturevalue("everything")
    assert len(stored(files)) > len(before[1]) + 3
    response = delete(request.getfixturevalue("ann"))
    assert response.redirect_chain == [("/accounts/login/", 302)]
    assert "have been deleted" in text(response)

    assert (rows(), stored(files)) == before
    assert bob.get(f"/jobs/{theirs.pk}/").status_code == 200
    assert getattr(tokens.find(their_token), "user", None) == stranger


@pytest.mark.usefixtures("everything")
def test_nobody_gets_in_any_more(user: User, ann: Client, token: str, client_of: Callable[[User], Client]) -> None:
    elsewhere = client_of(user)
    delete(ann)
    for client in (ann, elsewhere):
        assert client.get("/account/").status_code == 302
    assert tokens.find(token) is None
    response = Client().post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert "email address and/or password you specified are not correct" in text(response)


def test_the_address_can_sign_up_anew(user: User, ann: Client) -> None:
    delete(ann)
    form = {"email": user.email, "password1": PASSWORD, "password2": PASSWORD}
    Client().post("/accounts/signup/", form)
    assert User.objects.get(email=user.email).pk != user.pk


@pytest.mark.parametrize("email", ["bob@example.org", "ann", ""])
def test_another_address_deletes_nothing(ann: Client, user: User, email: str) -> None:
    response = delete(ann, email)
    assert 'class="field-error"' in text(response)
    user.refresh_from_db()
    assert user.is_active


def test_case_of_the_address_does_not_matter(ann: Client, user: User) -> None:
    delete(ann, user.email.upper())
    assert not User.objects.exists()


def test_asking_deletes_nothing(ann: Client) -> None:
    assert ann.get(DELETE).status_code == 200
    assert ann.put(DELETE).status_code == 405
    assert User.objects.exists()


def test_a_worker_that_has_the_job_writes_nothing_more(ann: Client, make_upload: MakeUpload, files: Path) -> None:
    make_upload(sales_csv(1000))
    claim = lifecycle.claim()
    assert claim is not None
    delete(ann)
    runner.run(claim)
    assert not Job.objects.exists()
    assert stored(files) == set()


class Failing:
    """A storage that is away after so many deletions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
        self.left = after
        really = FileSystemStorage.delete

        def delete(storage: FileSystemStorage, name: str) -> None:
            if self.left == 0:
                raise OSError("the storage is away")
            self.left -= 1
            really(storage, name)

        monkeypatch.setattr(FileSystemStorage, "delete", delete)


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("after", range(0, 14, 2))
def test_what_is_cut_short_is_closed_at_once_and_finished_by_the_sweep(
    user: User, ann: Client, token: str, files: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    storage = Failing(monkeypatch, after=after)
    response = delete(ann)
    assert "will be deleted within minutes" in text(response)
    assert not User.objects.get(pk=user.pk).is_active
    assert ann.get("/account/").status_code == 302
    assert tokens.find(token) is None
    assert not UserSession.objects.exists()
    # Every file that is still there is named by a row, or lies in the folder of one.
    known = {str(pk) for model in (Upload, Job) for pk in model.objects.values_list("pk", flat=True)}
    assert {name.split("/")[1] for name in stored(files)} <= known

    storage.left = 1000
    sweeper.sweep()
    assert stored(files) == set()
    assert not any(model.objects.exists() for model in (User, Job, Upload, Customer, ApiToken, EmailAddress, Session))


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("after", [0, 1, 2])
def test_one_whose_customers_are_half_removed_is_finished_by_the_sweep(
    user: User, ann: Client, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    steps = iter(range(after))

    def cut(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith('DELETE FROM "reports_customer"') and next(steps, None) is None:
            raise OperationalError("the database is away")
        return execute(sql, params, many, context)

    monkeypatch.setattr(undoing, "STEP", 2)
    with connection.execute_wrapper(cut):
        assert not deletion.delete(user)
    assert Customer.objects.count() == 6 - 2 * after
    assert Job.objects.count() == 4
    assert ann.get("/account/").status_code == 302

    sweeper.sweep()
    assert not any(model.objects.exists() for model in (User, Job, Upload, Customer))


def test_a_worker_that_imports_meanwhile_leaves_no_customers(
    user: User, make_upload: MakeUpload, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_upload(CUSTOMERS, kind="customers")
    really = undoing.remove_all

    def remove_all(owner: User) -> None:
        really(owner)
        runner.run_all()

    monkeypatch.setattr(undoing, "remove_all", remove_all)
    assert deletion.delete(user)
    assert not Customer.objects.exists()
    assert stored(files) == set()


@pytest.mark.usefixtures("everything")
def test_an_operator_can_finish_it_too(user: User, ann: Client, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Failing(monkeypatch, after=1)
    delete(ann)
    storage.left = 1000
    assert deletion.delete(User.objects.get())
    assert stored(files) == set()
    assert not User.objects.exists()


def test_the_sweep_leaves_a_locked_account_alone(user: User, make_upload: MakeUpload) -> None:
    make_upload(DATA)
    User.objects.update(is_active=False)
    deletion.finish_all()
    assert Upload.objects.exists()


def test_the_sweep_looks_only_now_and_then(user: User) -> None:
    deletion.finish_all()
    deletion.close(user)
    deletion.finish_all()
    assert User.objects.exists()


def test_an_upload_that_comes_while_all_is_deleted_goes_too(
    user: User, make_upload: MakeUpload, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = iter([True])
    really = holdings.erase

    def erase(owner: User) -> None:
        really(owner)
        if next(late, False):
            make_upload(DATA)

    monkeypatch.setattr(holdings, "erase", erase)
    assert deletion.delete(user)
    assert not Upload.objects.exists()
    assert stored(files) == set()
