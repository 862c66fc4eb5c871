"""Users and tokens in the admin."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Permission
from django.core.files.storage import FileSystemStorage
from django.test import Client

from accounts import tokens
from accounts.models import ApiToken, User
from reports.models import Job
from tests.conftest import MakeUpload, MakeUser
from tests.files import HEADER

pytestmark = pytest.mark.django_db
DATA = HEADER.encode() + b"Toys,2024-01-01,3\n"


@pytest.fixture
def admin(make_user: MakeUser, client_of: Callable[[User], Client]) -> Client:
    return client_of(make_user("root@example.org", is_staff=True, is_superuser=True))


def test_users_are_listed_searched_and_added(admin: Client, user: User) -> None:
    assert user.email in admin.get("/admin/accounts/user/?q=ann").content.decode()
    form = {"email": "new@example.org", "usable_password": "true", "password1": "x9!kdlsoe", "password2": "x9!kdlsoe"}
    admin.post("/admin/accounts/user/add/", form)
    assert User.objects.filter(email="new@example.org").exists()


def test_tokens_are_listed_and_revoked_but_never_shown(admin: Client, token: str) -> None:
    stored = ApiToken.objects.get()
    page = admin.get("/admin/accounts/apitoken/").content.decode()
    assert stored.hint in page
    assert token not in page
    assert stored.digest not in admin.get(f"/admin/accounts/apitoken/{stored.pk}/change/").content.decode()
    admin.post("/admin/accounts/apitoken/", {"action": "revoke", "_selected_action": [stored.pk]})
    assert tokens.find(token) is None


@pytest.fixture
def capture(django_capture_on_commit_callbacks: Any) -> Any:
    """`with capture(execute=True):` does at its end what waits for the commit of the admin's transaction."""
    return django_capture_on_commit_callbacks


@pytest.mark.parametrize("way", ["page", "action"])
def test_a_user_is_deleted_with_all_that_is_theirs(
    admin: Client, user: User, stranger: User, finished: Callable[..., Job], files: Path, way: str, capture: Any
) -> None:
    finished(DATA, name="mine.csv")
    kept = finished(DATA, owner=stranger, name="theirs.csv")
    url, form = f"/admin/accounts/user/{user.pk}/delete/", {"post": "yes"}
    if way == "action":
        url = "/admin/accounts/user/"
        form |= {"action": "delete_selected", "_selected_action": str(user.pk)}
    asked = (
        admin.post(url, {name: form[name] for name in form if name != "post"}) if way == "action" else admin.get(url)
    )
    assert "Reports with their downloads and shared links: 1" in asked.content.decode()
    assert "Uploaded files: 1" in asked.content.decode()
    with capture(execute=True):
        assert admin.post(url, form).status_code == 302
    assert not User.objects.filter(pk=user.pk).exists()
    assert [job.pk for job in Job.objects.all()] == [kept.pk]
    assert {path.parts[-2] for path in files.rglob("*") if path.is_file()} == {str(kept.pk), str(kept.upload_id)}


@pytest.mark.parametrize("permission", ["", "view_user", "change_user"])
def test_only_who_may_delete_users_deletes_them(
    make_user: MakeUser, client_of: Callable[[User], Client], user: User, permission: str
) -> None:
    clerk = make_user("clerk@example.org", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename=permission))
    client = client_of(clerk)
    assert client.post(f"/admin/accounts/user/{user.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post("/admin/accounts/user/", {"action": "delete_selected", "_selected_action": user.pk, "post": "yes"})
    user.refresh_from_db()
    assert user.is_active


def test_who_may_delete_users_needs_no_other_permission(
    make_user: MakeUser, client_of: Callable[[User], Client], user: User, make_upload: MakeUpload, capture: Any
) -> None:
    make_upload(DATA)
    clerk = make_user("clerk@example.org", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "delete_user"]))
    with capture(execute=True):
        client_of(clerk).post(f"/admin/accounts/user/{user.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=user.pk).exists()


def test_an_operator_is_told_when_files_could_not_be_deleted(
    admin: Client, user: User, make_upload: MakeUpload, capture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(storage: FileSystemStorage, name: str) -> None:
        raise OSError("the storage is away")

    make_upload(DATA)
    monkeypatch.setattr(FileSystemStorage, "delete", away)
    with capture(execute=True):
        admin.post(f"/admin/accounts/user/{user.pk}/delete/", {"post": "yes"})
    user.refresh_from_db()
    assert not user.is_active


def test_sessions_are_searched_and_ended(admin: Client, user: User, ann: Client) -> None:
    ann.get("/account/")
    session = UserSession.objects.get(user=user)
    assert user.email in admin.get("/admin/usersessions/usersession/?q=ann@").content.decode()
    assert (
        session.session_key not in admin.get(f"/admin/usersessions/usersession/{session.pk}/change/").content.decode()
    )
    admin.post("/admin/usersessions/usersession/", {"action": "end", "_selected_action": [session.pk]})
    assert ann.get("/account/").status_code == 302


def test_who_only_views_sessions_ends_none(
    make_user: MakeUser, client_of: Callable[[User], Client], ann: Client, user: User
) -> None:
    ann.get("/account/")
    clerk = make_user("clerk@example.org", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_usersession"))
    pk = UserSession.objects.get(user=user).pk
    client_of(clerk).post("/admin/usersessions/usersession/", {"action": "end", "_selected_action": [pk]})
    assert ann.get("/account/").status_code == 200


def test_ordinary_people_do_not_get_in(ann: Client) -> None:
    assert ann.get("/admin/").status_code == 302
