"""Signing up."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client

from accounts.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
FORM = {"email": "Ann@Example.org", "password1": PASSWORD, "password2": PASSWORD}


def test_a_person_signs_up_by_email_and_is_on_the_dashboard() -> None:
    client = Client()
    response = client.post("/accounts/signup/", FORM, follow=True)
    assert response.redirect_chain[-1] == ("/", 302)
    assert User.objects.get().email == "ann@example.org"
    assert b"Drop CSV files of sales or customers" in response.content


def test_the_same_address_in_other_letters_is_the_same_account() -> None:
    Client().post("/accounts/signup/", FORM)
    response = Client().post("/accounts/signup/", FORM | {"email": "ANN@example.ORG"})
    assert response.status_code == 200
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"email": "no-address"}, "valid email address"),
        ({"email": ""}, "required"),
        ({"password1": "short", "password2": "short"}, "too short"),
        ({"password1": "12345678901", "password2": "12345678901"}, "entirely numeric"),
        ({"password2": "something else"}, "same password"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field(change: dict[str, str], told: str) -> None:
    response = Client().post("/accounts/signup/", FORM | change)
    assert response.status_code == 200
    assert told in response.content.decode()
    assert not User.objects.exists()


def test_a_form_without_csrf_token_is_refused_in_plain_words() -> None:
    response = Client(enforce_csrf_checks=True).post("/accounts/signup/", FORM)
    assert response.status_code == 403
    assert "Reload the page" in response.content.decode()
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/accounts/signup/", FORM),
        ("/api/auth/app/v1/auth/signup", {"email": FORM["email"], "password": PASSWORD}),
    ],
)
def test_of_many_sign_ups_with_one_address_at_once_one_succeeds(path: str, form: dict[str, str]) -> None:
    together = threading.Barrier(6)

    def sign_up() -> int:
        try:
            client = Client(raise_request_exception=False)
            together.wait(30)
            if path.startswith("/api"):
                return client.post(path, form, content_type="application/json").status_code
            return client.post(path, form).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        statuses = [future.result() for future in [pool.submit(sign_up) for _ in range(6)]]
    # The others are refused by the form, or when they are stored.
    assert set(statuses) - {200, 302, 400} <= {409}
    assert User.objects.count() == 1
