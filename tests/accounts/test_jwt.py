"""JSON Web Tokens: got by logging in, good for a quarter of an hour, renewed, and ended with their session."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection
from django.test import Client

from accounts import deletion, jwts, sessions
from accounts.models import AuditEntry, User
from tests.accounts.conftest import text
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]

AUTH = "/api/auth/app/v1/"
JOBS = "/api/jobs"
TUS = {"Tus-Resumable": "1.0.0", "Upload-Length": "5"}


class Program:
    """A program that has logged in."""

    def __init__(self, email: str = "ann@example.org", password: str = PASSWORD) -> None:
        self.client = Client(headers={"User-Agent": "nightly/1.0"})
        self.answer = post(self.client, "auth/login", email=email, password=password)
        self.access = self.answer.json()["meta"]["access_token"]
        self.refresh = self.answer.json()["meta"]["refresh_token"]

    def status(self, path: str = JOBS, access: str = "") -> int:
        return int(self.client.get(path, headers=bearer(access or self.access)).status_code)

    def renew(self) -> int:
        answer = post(self.client, "tokens/refresh", refresh_token=self.refresh)
        if answer.status_code == 200:
            self.access, self.refresh = answer.json()["data"]["access_token"], answer.json()["data"]["refresh_token"]
        return int(answer.status_code)


def post(client: Client, address: str, **body: str) -> Any:
    return client.post(AUTH + address, body, content_type="application/json")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def program(user: User) -> Program:
    return Program()


def test_logging_in_gives_tokens_that_open_the_api_and_uploads(user: User, program: Program) -> None:
    assert program.answer.json()["data"]["user"]["id"] == user.pk
    assert program.status() == 200
    created = Client().generic("POST", "/uploads/", headers=bearer(program.access) | TUS)
    assert created.status_code == 201
    assert user.uploads.count() == 1
    assert Client().delete(created["Location"], headers=bearer(program.access) | TUS).status_code == 204


def test_no_cookie_is_given_or_taken(user: User, program: Program, ann: Client) -> None:
    assert not program.answer.cookies
    # The session of a page is none here: another site could ride on it.
    assert ann.get(f"{AUTH}auth/session").status_code == 401
    assert ann.delete(f"{AUTH}auth/session").status_code == 401
    assert ann.get("/account/").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"email": "ann@example.org", "password": "wrong"},
        {"email": "nobody@example.org", "password": PASSWORD},
        {"email": "ann@example.org"},
        {"username": "ann@example.org", "password": PASSWORD},
        {},
    ],
)
def test_nobody_gets_in_without_the_password(user: User, body: dict[str, str]) -> None:
    answer = post(Client(), "auth/login", **body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"]
    assert "meta" not in answer.json()


def test_guessing_is_slowed_down(user: User) -> None:
    client = Client()
    codes = {
        post(client, "auth/login", email=user.email, password="wrong").json()["errors"][0]["code"] for _ in range(11)
    }
    assert codes == {"email_password_mismatch", "too_many_login_attempts"}
    right = post(client, "auth/login", email=user.email, password=PASSWORD)
    assert right.json()["errors"][0]["code"] == "too_many_login_attempts"


def test_many_log_ins_from_one_address_are_refused(user: User, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"login": "2/m/ip"}
    answers = [post(Client(), "auth/login", email=user.email, password=PASSWORD) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json() == {"status": 429}


def test_a_refresh_token_is_good_once(program: Program) -> None:
    first = program.refresh
    assert program.renew() == 200
    assert program.status() == 200
    assert program.renew() == 200
    program.refresh = first
    assert program.renew() == 400


def test_a_refresh_token_used_again_ends_its_family(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwts, "GRACE_SECONDS", 0)
    other, first = Program(), program.refresh
    assert program.renew() == 200
    newest, program.refresh = program.refresh, first
    assert program.renew() == 400
    program.refresh = newest
    assert (program.renew(), program.status()) == (400, 401)
    assert (other.renew(), other.status()) == (200, 200)
    assert AuditEntry.objects.filter(action="refresh.twice").count() == 1
    assert Session.objects.count() == 1


def test_a_refresh_token_used_again_at_once_ends_nothing(program: Program) -> None:
    first = program.refresh
    assert program.renew() == 200
    newest, program.refresh = program.refresh, first
    assert program.renew() == 400
    program.refresh = newest
    assert (program.renew(), program.status()) == (200, 200)


def test_of_many_refreshes_at_once_one_succeeds(program: Program) -> None:
    together = threading.Barrier(8)

    def refresh() -> Any:
        try:
            together.wait(30)
            return post(Client(), "tokens/refresh", refresh_token=program.refresh)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = [future.result() for future in [pool.submit(refresh) for _ in range(8)]]
    assert sorted(answer.status_code for answer in answers) == [200] + 7 * [400]
    (won,) = (answer.json()["data"] for answer in answers if answer.status_code == 200)
    program.refresh = won["refresh_token"]
    assert (program.renew(), program.status()) == (200, 200)


def test_a_token_is_good_for_its_use_alone(program: Program) -> None:
    assert program.status(access=program.refresh) == 401
    assert post(Client(), "tokens/refresh", refresh_token=program.access).status_code == 400
    assert post(Client(), "tokens/refresh", refresh_token="nonsense").status_code == 400
    assert post(Client(), "tokens/refresh").status_code == 400


def test_an_expired_token_is_refused_and_renewed(user: User, settings: Any) -> None:
    settings.HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = -1
    program = Program()
    answer = Client().get(JOBS, headers=bearer(program.access))
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="salesagg", error="invalid_token"'
    settings.HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = 60
    assert program.renew() == 200
    assert program.status() == 200


def test_an_expired_refresh_token_is_refused(user: User, settings: Any) -> None:
    settings.HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN = -1
    assert Program().renew() == 400


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def test_a_token_that_we_did_not_sign_is_refused(program: Program) -> None:
    claims = claims_of(program.access)
    assert program.status(access=jwt.encode(claims, "", algorithm="none")) == 401
    assert program.status(access=jwt.encode(claims, "another key " * 5, algorithm="HS256")) == 401
    head, body, signature = program.access.split(".")
    assert program.status(access=f"{head}.{body}.") == 401
    assert program.status(access=f"{head}.{body}") == 401
    assert program.status(access=f"{head}.{body}.{signature[::-1]}") == 401


def test_a_signed_token_of_another_algorithm_or_user_is_refused(
    program: Program, stranger: User, settings: Any
) -> None:
    claims, key = claims_of(program.access), next(jwts._keys()).signing
    assert program.status(access=jwt.encode(claims, key, algorithm="HS512")) == 401
    theirs = claims | {"sub": str(stranger.pk)}
    assert program.status(access=jwt.encode(theirs, key, algorithm="HS256")) == 401
    assert program.status(access=jwt.encode(claims | {"exp": int(time.time()) + 60}, key, algorithm="HS256")) == 200


def test_a_token_does_not_tell_the_session(program: Program) -> None:
    key = Session.objects.get().session_key
    assert key not in str(claims_of(program.access)) + str(claims_of(program.refresh))


def test_logging_out_ends_both_tokens(program: Program) -> None:
    other = Program()
    answer = program.client.delete(f"{AUTH}auth/session", headers=bearer(program.access))
    assert answer.status_code == 401
    assert program.status() == 401
    assert program.renew() == 400
    assert other.status() == 200


def test_ending_the_session_on_the_page_ends_its_tokens(program: Program, ann: Client) -> None:
    page = text(ann.get("/account/sessions/"))
    assert "nightly/1.0" in page
    pk = UserSession.objects.get(user_agent="nightly/1.0").pk
    assert ann.post(f"/account/sessions/{pk}/end").status_code == 302
    assert program.status() == 401
    assert program.renew() == 400


def test_a_program_sees_and_ends_its_sessions(program: Program) -> None:
    other = Program()
    listed = program.client.get(f"{AUTH}auth/sessions", headers=bearer(program.access)).json()["data"]
    ids = {session["is_current"]: session["id"] for session in listed}
    body = {"sessions": [ids[False]]}
    address = f"{AUTH}auth/sessions"
    ended = program.client.delete(address, body, content_type="application/json", headers=bearer(program.access))
    assert ended.status_code == 200
    assert (other.status(), program.status()) == (401, 200)
    assert Client().get(address).status_code == 401


def test_somebody_elses_session_is_not_ended(program: Program, stranger: User) -> None:
    theirs = Program(stranger.email)
    body = {"sessions": [UserSession.objects.get(user=stranger).pk]}
    address = f"{AUTH}auth/sessions"
    answer = program.client.delete(address, body, content_type="application/json", headers=bearer(program.access))
    assert answer.status_code == 400
    assert theirs.status() == 200


def test_a_changed_password_ends_all_tokens(program: Program, ann: Client) -> None:
    form = {"oldpassword": PASSWORD, "password1": "another long phrase", "password2": "another long phrase"}
    ann.post("/accounts/password/change/", form)
    assert program.status() == 401
    assert program.renew() == 400
    assert Program(password="another long phrase").status() == 200


def test_who_is_locked_out_or_gone_is_refused(user: User, program: Program) -> None:
    User.objects.update(is_active=False)
    assert program.status() == 401
    assert program.renew() == 400
    assert "access_token" not in post(Client(), "auth/login", email=user.email, password=PASSWORD).content.decode()
    User.objects.update(is_active=True)
    assert program.status() == 200
    deletion.delete(user)
    assert program.status() == 401
    assert program.renew() == 400


def test_the_tokens_use_is_noted_now_and_then(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "NOTE_SECONDS", 0)
    UserSession.objects.update(last_seen_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert program.status() == 200
    assert UserSession.objects.get().last_seen_at.year > 2020


def test_old_sessions_make_room_for_new_ones(user: User, stranger: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 2)
    theirs = Program(stranger.email)
    programs = [Program() for _ in range(3)]
    assert [program.status() for program in programs] == [401, 200, 200]
    assert theirs.status() == 200


def opens_pages(session_key: str) -> bool:
    browser = Client()
    browser.cookies["sessionid"] = session_key
    return bool(browser.get("/account/").status_code == 200)


def test_logging_in_gives_nothing_that_opens_a_page(program: Program) -> None:
    meta = program.answer.json()["meta"]
    assert set(meta) == {"is_authenticated", "access_token", "refresh_token"}
    key = Session.objects.get().session_key
    assert key not in program.answer.content.decode()
    assert not any(opens_pages(str(text)) for text in meta.values())


def test_a_session_key_is_no_credential_of_a_program(program: Program, ann: Client) -> None:
    for key in (Session.objects.first(), ann.session):
        assert key is not None
        headers = {"X-Session-Token": str(key.session_key)}
        assert Client().get(JOBS, headers=headers).status_code == 401
        assert Client().get(f"{AUTH}auth/session", headers=headers).status_code == 401
        assert Client().get(JOBS, headers=bearer(str(key.session_key))).status_code == 401


def test_a_login_that_is_not_finished_gives_no_session(user: User, settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    answer = post(Client(), "auth/login", email=user.email, password=PASSWORD)
    pending = answer.json()["meta"]["session_token"]
    assert Session.objects.get().session_key not in answer.content.decode()
    assert not opens_pages(pending)
    headers = {"X-Session-Token": pending}
    # It names the login that waits for its second step, and opens nothing.
    asked = Client().get(f"{AUTH}auth/session", headers=headers)
    assert (asked.status_code, {"id": "verify_email", "is_pending": True} in asked.json()["data"]["flows"]) == (
        401,
        True,
    )
    assert Client().get(JOBS, headers=headers).status_code == 401
    assert Client().get(JOBS, headers=bearer(pending)).status_code == 401


def test_tokens_outlive_a_new_secret_key(program: Program, settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [settings.SECRET_KEY]
    assert program.status() == 200
    old = program.refresh
    assert (program.renew(), program.status()) == (200, 200)
    settings.SECRET_KEY_FALLBACKS = []
    assert (program.renew(), program.status()) == (200, 200)
    program.refresh = old
    assert program.renew() == 400


def test_a_session_is_looked_at_after_a_new_secret_key(program: Program, settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [settings.SECRET_KEY]
    session = program.client.get(f"{AUTH}auth/session", headers=bearer(program.access))
    assert (session.status_code, program.status()) == (200, 200)


def test_a_forgotten_secret_key_ends_its_tokens(program: Program, settings: Any) -> None:
    settings.SECRET_KEY = "new"
    assert (program.status(), program.renew()) == (401, 400)


def test_a_login_after_a_new_secret_key_ends_no_other_session(program: Program, ann: Client, settings: Any) -> None:
    ann.get("/account/")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [settings.SECRET_KEY]
    assert Program().status() == 200
    assert program.status() == 200
    assert ann.get("/account/sessions/").status_code == 200
    assert (program.status(), program.renew()) == (200, 200)


def test_a_personal_token_does_not_log_in(user: User, token: str) -> None:
    assert Client().get(f"{AUTH}auth/session", headers=bearer(token)).status_code == 401


def test_who_signs_up_is_logged_in(db: None) -> None:
    answer = post(Client(), "auth/signup", email="New@Example.org", password=PASSWORD)
    assert answer.status_code == 200
    assert User.objects.get().email == "new@example.org"
    access = answer.json()["meta"]["access_token"]
    assert Client().get(JOBS, headers=bearer(access)).json()["items"] == []


@pytest.mark.parametrize(
    ("email", "password"), [("ANN@example.org", PASSWORD), ("x", PASSWORD), ("x@example.org", "1")]
)
def test_signing_up_is_refused_as_on_the_page(user: User, email: str, password: str) -> None:
    answer = post(Client(), "auth/signup", email=email, password=password)
    assert answer.status_code in (400, 401)
    assert "access_token" not in answer.content.decode()
    assert User.objects.get() == user


def test_an_unverified_address_gets_no_tokens_where_it_must_be_verified(settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    client = Client()
    for address in ("auth/signup", "auth/login"):
        answer = post(client, address, email="new@example.org", password=PASSWORD)
        assert answer.status_code == 401
        assert {"id": "verify_email", "is_pending": True} in answer.json()["data"]["flows"]
        assert "access_token" not in answer.json().get("meta", {})
    link = next(word for word in str(mail.outbox[0].body).split() if "confirm-email" in word)
    client.post(urlsplit(link).path)
    assert Program("new@example.org").status() == 200


@pytest.mark.parametrize(
    "address",
    ["account/email", "account/phone", "account/password/change", "auth/password/request", "auth/reauthenticate"],
)
def test_no_more_of_it_is_there_than_is_needed(program: Program, address: str) -> None:
    for root in (AUTH, "/api/auth/browser/v1/"):
        assert program.status(root + address) == 404
    assert program.status("/api/auth/browser/v1/auth/login") == 404
    assert program.status("/api/auth/openapi.json") == 404


def test_what_it_refuses_is_never_a_page(user: User) -> None:
    wrong = Client().get(f"{AUTH}auth/login", headers={"Accept": "text/html"})
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    for body in (b"{", b"[]", b"\xff"):
        unreadable = Client().post(f"{AUTH}auth/login", body, content_type="application/json")
        assert (unreadable.status_code, unreadable.json()["code"]) == (400, "bad_request")


def test_sids_that_are_none_open_nothing(program: Program, settings: Any) -> None:
    claims, key = claims_of(program.access), next(jwts._keys()).signing
    unknown = jwts._hide("x" * 32, next(jwts._keys()))
    for sid in ("", "AAAA", "not base64!", unknown, 5, None):
        assert program.status(access=jwt.encode(claims | {"sid": sid}, key, algorithm="HS256")) == 401
