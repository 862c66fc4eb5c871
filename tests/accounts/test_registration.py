"""Where sign-up is closed, operators alone create accounts."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.models import User
from tests.accounts.conftest import text
from tests.conftest import PASSWORD, MakeUser

pytestmark = pytest.mark.django_db
SIGNUP = "/accounts/signup/"
FORM = {"email": "new@example.org", "password1": PASSWORD, "password2": PASSWORD}
API = "/api/auth/app/v1/auth/signup"


@pytest.fixture
def closed(settings: Any) -> None:
    settings.REGISTRATION_OPEN = False


def test_sign_up_is_open_by_default(db: None) -> None:
    for path in (SIGNUP, "/accounts/login/", "/"):
        assert f'href="{SIGNUP}' in text(Client().get(path, follow=True))
    Client().post(SIGNUP, FORM)
    assert User.objects.filter(email="new@example.org").exists()


def test_closed_page_takes_no_account_and_says_why(closed: None) -> None:
    for response in (Client().get(SIGNUP), Client().post(SIGNUP, FORM)):
        assert "Sign-up is closed" in text(response)
        assert "password1" not in text(response)
    assert not User.objects.exists()


def test_closed_api_takes_no_account(closed: None) -> None:
    body = {"email": "new@example.org", "password": PASSWORD}
    response = Client().post(API, body, content_type="application/json")
    assert response.status_code == 403
    assert not User.objects.exists()


def test_links_to_a_closed_sign_up_are_hidden(closed: None, user: User) -> None:
    for path in ("/", "/accounts/login/", "/accounts/password/reset/", SIGNUP):
        assert f'href="{SIGNUP}' not in text(Client().get(path, follow=True))


def test_log_in_with_an_unknown_address_creates_nothing(closed: None) -> None:
    for path in ("/accounts/login/", "/accounts/password/reset/"):
        Client().post(path, {"login": "new@example.org", "email": "new@example.org", "password": PASSWORD})
    assert not User.objects.exists()


def test_operators_still_create_accounts(
    closed: None, make_user: MakeUser, client_of: Callable[[User], Client]
) -> None:
    admin = client_of(make_user("root@example.org", is_staff=True, is_superuser=True))
    form = {"email": "new@example.org", "usable_password": "true", "password1": "x9!kdlsoe", "password2": "x9!kdlsoe"}
    admin.post("/admin/accounts/user/add/", form)
    assert User.objects.filter(email="new@example.org").exists()
    call_command("createsuperuser", interactive=False, email="two@example.org", stdout=StringIO())
    client = Client()
    client.post("/accounts/login/", {"login": "new@example.org", "password": "x9!kdlsoe"})
    assert client.get("/account/").status_code == 200
