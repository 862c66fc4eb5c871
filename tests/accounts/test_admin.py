"""Users and tokens in the admin."""

from collections.abc import Callable

import pytest
from django.test import Client

from accounts import tokens
from accounts.models import ApiToken, User
from tests.conftest import MakeUser

pytestmark = pytest.mark.django_db


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
    assert tokens.owner_of(token) is None


def test_ordinary_people_do_not_get_in(ann: Client) -> None:
    assert ann.get("/admin/").status_code == 302
