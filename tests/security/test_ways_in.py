"""Getting in where one should not: planted and stolen sessions, guessing, asking who is known, links that lead away."""

from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.test import Client

from accounts import tokens
from accounts.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)
LOGIN, SIGN_UP, RESET = "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"


def log_in(client: Client, email: str, password: str = PASSWORD, query: str = "") -> Any:
    return client.post(LOGIN + query, {"login": email, "password": password})


def sign_up(client: Client, email: str) -> Any:
    return client.post(SIGN_UP, {"email": email, "password1": PASSWORD, "password2": PASSWORD})


def test_a_session_that_was_planted_is_not_the_one_that_gets_in(user: User) -> None:
    # The attacker's own, not logged in, as it was put into the victim's browser.
    planted = Client()
    sign_up(planted, "mallory@example.org")
    planted.post("/accounts/logout/")
    planted.get(LOGIN)
    planted.cookies["sessionid"] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    log_in(planted, user.email)
    assert planted.cookies["sessionid"].value != "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    mallory = Client()
    mallory.cookies["sessionid"] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    assert mallory.get("/account/").status_code == 302


def test_logging_in_gives_another_session_and_another_csrf_token(user: User, stranger: User) -> None:
    client = Client()
    log_in(client, stranger.email)
    session, csrf = client.cookies["sessionid"].value, client.cookies["csrftoken"].value
    client.post("/accounts/logout/")
    log_in(client, user.email)
    assert client.cookies["sessionid"].value != session
    assert client.cookies["csrftoken"].value != csrf


def test_a_session_that_was_logged_out_opens_nothing_to_whoever_has_its_cookie(user: User) -> None:
    client, thief = Client(), Client()
    log_in(client, user.email)
    thief.cookies["sessionid"] = client.cookies["sessionid"].value
    assert thief.get("/account/").status_code == 200
    client.post("/accounts/logout/")
    assert thief.get("/account/").status_code == 302


def test_where_addresses_are_verified_signing_up_does_not_tell_who_is_known(user: User, settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    known, unknown = sign_up(Client(), user.email), sign_up(Client(), "new@example.org")
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    assert {tuple(message.to) for message in mail.outbox} == {(user.email,), ("new@example.org",)}


def test_a_log_in_takes_as_much_work_for_an_address_that_is_known_as_for_another(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(hasher: Any, password: str, salt: str) -> str:
        worked.append(password)
        return encode(hasher, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    log_in(Client(), user.email, "wrong")
    known = len(worked)
    log_in(Client(), "nobody@example.org", "wrong")
    assert known >= 1
    assert len(worked) - known == known


@pytest.mark.parametrize("path", [RESET, SIGN_UP])
def test_mails_and_accounts_are_not_made_without_end(path: str, user: User) -> None:
    answers = set()
    for number in range(40):
        email = user.email if path == RESET else f"new{number}@example.org"
        form = {"email": email, "password1": PASSWORD, "password2": PASSWORD}
        answers.add(Client().post(path, form).status_code)
    assert 429 in answers
    assert len(mail.outbox) < 30


def test_guessing_is_not_hidden_by_a_forged_address(user: User) -> None:
    for number in range(12):
        client = Client(HTTP_X_FORWARDED_FOR=f"198.51.100.{number}")
        told = log_in(client, user.email, f"guess {number}").content.decode()
    assert "Too many failed login attempts" in told


def test_guessing_for_many_accounts_from_one_address_is_slowed_down(db: None) -> None:
    answers = [log_in(Client(), f"somebody{number}@example.org", "123456") for number in range(45)]
    assert answers[-1].status_code == 429 or "Too many" in answers[-1].content.decode()


def test_guesses_at_tokens_end_also_where_requests_are_not_counted(settings: Any, token: str) -> None:
    settings.API_REQUESTS_PER_MINUTE_PER_ADDRESS = 5
    path, version = "/uploads/00000000-0000-0000-0000-000000000000/", {"Tus-Resumable": "1.0.0"}

    def answer(secret: str) -> int:
        return Client().head(path, headers={**version, "Authorization": f"Bearer {secret}"}).status_code

    assert [answer(f"{tokens.PREFIX}{number}") for number in range(7)] == [401] * 5 + [429] * 2
    # Who has a token goes on.
    assert answer(token) == 404


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example/", "\\\\evil.example", "javascript:alert(1)", "http:evil.example"],
)
def test_a_log_in_leads_to_no_other_site(user: User, target: str) -> None:
    client = Client()
    page = client.get(LOGIN, {"next": target})
    form = {"login": user.email, "password": PASSWORD, "next": target}
    response = client.post(LOGIN, form)
    assert response["Location"] == "/"
    assert b'href="javascript' not in page.content
    assert client.post("/accounts/logout/", {"next": target})["Location"] == LOGIN


def test_a_name_that_is_not_ours_is_not_answered(db: None) -> None:
    assert Client().get(LOGIN, headers={"host": "evil.example"}).status_code == 400


def test_mails_lead_to_the_site_whatever_the_request_was_sent_to(user: User, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    settings.SITE_URL = "https://sales.example.com"
    Client().post(RESET, {"email": user.email}, headers={"host": "evil.example"})
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    sign_up(Client(headers={"host": "evil.example"}), "new@example.org")
    sign_up(Client(headers={"host": "evil.example"}), user.email)
    assert len(mail.outbox) == 3
    for message in mail.outbox:
        told = f"{message.subject} {message.body}"
        assert "evil.example" not in told
        assert "https://sales.example.com/accounts/" in told
