"""Logging in and out."""

import pytest
from django.test import Client

from accounts.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def log_in(client: Client, email: str, password: str = PASSWORD) -> object:
    return client.post("/accounts/login/", {"login": email, "password": password}, follow=True)


def test_pages_send_nobody_to_the_login_and_back() -> None:
    response = Client().get("/")
    assert (response.status_code, response["Location"]) == (302, "/accounts/login/?next=/")


@pytest.mark.parametrize("email", ["ann@example.org", "ANN@Example.org"])
def test_a_person_logs_in_by_email_whatever_its_case(user: User, email: str) -> None:
    client = Client()
    log_in(client, email)
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(("email", "password"), [("ann@example.org", "wrong"), ("nobody@example.org", PASSWORD)])
def test_a_wrong_password_and_an_unknown_address_look_alike(user: User, email: str, password: str) -> None:
    client = Client()
    response = client.post("/accounts/login/", {"login": email, "password": password})
    assert "email address and/or password you specified are not correct" in response.content.decode()
    assert client.get("/").status_code == 302


def test_somebody_who_was_locked_out_does_not_get_in(user: User) -> None:
    User.objects.update(is_active=False)
    client = Client()
    log_in(client, user.email)
    assert client.get("/").status_code == 302


def test_logging_out_takes_a_post(user: User, ann: Client) -> None:
    assert ann.get("/accounts/logout/").status_code == 200
    assert ann.get("/").status_code == 200
    ann.post("/accounts/logout/")
    assert ann.get("/").status_code == 302


def test_guessing_passwords_is_slowed_down(user: User) -> None:
    client = Client()
    told = [
        client.post("/accounts/login/", {"login": user.email, "password": f"guess {n}"}).content.decode()
        for n in range(12)
    ]
    assert "Too many failed login attempts" in told[-1]


def test_the_admin_uses_the_same_login() -> None:
    response = Client().get("/admin/login/")
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")
