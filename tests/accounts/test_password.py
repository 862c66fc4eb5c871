"""Changing and resetting a password."""

import re
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client

from accounts import passwords, tokens
from accounts.adapter import AccountAdapter
from accounts.errors import Refusal
from accounts.models import User
from tests.accounts.conftest import text
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.services]
NEW = "another long phrase"


def test_a_password_is_changed_by_who_knows_it(user: User, ann: Client) -> None:
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    ann.post("/accounts/password/change/", form | {"oldpassword": "wrong"})
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    ann.post("/accounts/password/change/", form)
    user.refresh_from_db()
    assert user.check_password(NEW)


def test_a_forgotten_password_is_reset_by_a_link_in_an_email(user: User, mailoutbox: list[Any]) -> None:
    client = Client()
    client.post("/accounts/password/reset/", {"email": user.email})
    [mail] = mailoutbox
    link = re.search(r"http://localhost:8000(\S+)", mail.body)
    assert mail.to == [user.email]
    assert link
    page = client.get(link[1], follow=True)
    form_url = page.redirect_chain[-1][0]
    client.post(form_url, {"password1": NEW, "password2": NEW})
    user.refresh_from_db()
    assert user.check_password(NEW)
    assert "This link does not work any more" in Client().get(link[1], follow=True).content.decode()


def test_resetting_does_not_tell_whether_an_address_is_known(user: User, mailoutbox: list[Any]) -> None:
    known = Client().post("/accounts/password/reset/", {"email": user.email}, follow=True)
    unknown = Client().post("/accounts/password/reset/", {"email": "nobody@example.org"}, follow=True)
    assert known.redirect_chain == unknown.redirect_chain
    assert re.sub(r"\S+@\S+", "", known.content.decode()) == re.sub(r"\S+@\S+", "", unknown.content.decode())


def test_a_password_is_stored_by_one_of_two_requests(user: User) -> None:
    # Both were checked before either has stored its password.
    first, second = User.objects.get(), User.objects.get()
    AccountAdapter().set_password(first, NEW)
    with pytest.raises(Refusal) as refused:
        AccountAdapter().set_password(second, "a thief's long phrase")
    assert (refused.value.status, refused.value.code) == (409, "password_changed")
    assert User.objects.get().check_password(NEW)


LONGEST, TOO_LONG = "lo ng" * 200, "lo ng" * 200 + "x"
SENTENCE = "A password has at most 1000 characters."


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the passwords that were hashed."""
    lengths: list[int] = []
    encode = MD5PasswordHasher.encode

    def counting(self: Any, password: str, salt: str) -> str:
        lengths.append(len(password))
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counting)
    return lengths


@pytest.mark.parametrize("email", ["ann@example.org", "nobody@example.org"])
@pytest.mark.usefixtures("user")
def test_a_login_with_a_longer_password_is_refused_unhashed(email: str, hashed: list[int]) -> None:
    answer = Client().post("/accounts/login/", {"login": email, "password": TOO_LONG})
    assert SENTENCE in text(answer)
    body = {"email": email, "password": TOO_LONG}
    answer = Client().post("/api/auth/app/v1/auth/login", body, content_type="application/json")
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (400, SENTENCE)
    assert max(hashed, default=0) <= passwords.MAX_LENGTH


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/accounts/signup/", {"email": "new@example.org", "password1": TOO_LONG, "password2": TOO_LONG}),
        ("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": TOO_LONG, "password2": TOO_LONG}),
        ("/accounts/reauthenticate/", {"password": TOO_LONG}),
    ],
)
def test_a_form_refuses_a_longer_password_unhashed(
    user: User, ann: Client, hashed: list[int], path: str, form: dict[str, str]
) -> None:
    client = Client() if "signup" in path else ann
    assert SENTENCE in text(client.post(path, form))
    assert max(hashed, default=0) <= passwords.MAX_LENGTH
    assert User.objects.get() == user


def test_a_longer_old_password_is_wrong_and_not_hashed(ann: Client, hashed: list[int]) -> None:
    ann.post("/accounts/password/change/", {"oldpassword": TOO_LONG, "password1": NEW, "password2": NEW})
    assert max(hashed, default=0) <= passwords.MAX_LENGTH
    assert not User.objects.get().check_password(NEW)


def test_the_longest_password_is_taken(user: User, ann: Client) -> None:
    ann.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": LONGEST, "password2": LONGEST})
    assert Client().login(email=user.email, password=LONGEST)


def test_a_new_password_reminds_of_the_tokens_that_stay(user: User, ann: Client) -> None:
    token = tokens.issue(user, name="nightly")
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    page = text(ann.post("/accounts/password/change/", form, follow=True))
    assert "1 API token of yours is still valid." in page
    assert Client().get("/api/jobs", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_a_new_password_says_nothing_where_there_are_no_tokens(ann: Client) -> None:
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert "still valid" not in text(ann.post("/accounts/password/change/", form, follow=True))
