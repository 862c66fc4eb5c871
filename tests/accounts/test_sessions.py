"""Signed-in sessions: seen, and ended."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import browsers, sessions
from accounts.models import User
from tests.accounts.conftest import text
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
SESSIONS = "/account/sessions/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/18.0 Mobile/15E148 Safari/604.1"
)


@pytest.fixture
def log_in(user: User) -> Callable[..., Client]:
    """log_in(user_agent, address) -> a browser of `user`, by the log-in page."""

    def make(user_agent: str = FIREFOX, address: str = "192.0.2.1") -> Client:
        client = Client(headers={"User-Agent": user_agent}, REMOTE_ADDR=address)
        client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
        return client

    return make


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def pk_of(client: Client) -> int:
    pk: int = UserSession.objects.get(session_key=client.session.session_key).pk
    return pk


def test_the_list_tells_browser_address_and_which_is_this_one(log_in: Callable[..., Client], bob: Client) -> None:
    here = log_in()
    log_in(SAFARI, "198.51.100.7")
    bob.get("/account/")
    page = text(here.get(SESSIONS))
    assert page.index("Firefox on Linux") < page.index("This one") < page.index("192.0.2.1")
    assert page.index("192.0.2.1") < page.index("Safari on iOS") < page.index("198.51.100.7")
    assert page.count("<h2>") == 2


def test_one_session_is_signed_out(log_in: Callable[..., Client]) -> None:
    here, there, third = log_in(), log_in(SAFARI), log_in()
    response = here.post(f"{SESSIONS}{pk_of(there)}/end", follow=True)
    assert "The session has been signed out." in text(response)
    assert [is_in(client) for client in (here, there, third)] == [True, False, True]


def test_all_others_are_signed_out(log_in: Callable[..., Client], bob: Client) -> None:
    here, there, third = log_in(), log_in(SAFARI), log_in()
    bob.get("/account/")
    assert "2 other sessions have been signed out." in text(here.post(f"{SESSIONS}end", follow=True))
    assert [is_in(client) for client in (here, there, third, bob)] == [True, False, False, True]


def test_somebody_elses_session_looks_like_none(log_in: Callable[..., Client], bob: Client) -> None:
    here = log_in()
    pk = pk_of(here)
    bob.get("/account/")
    assert bob.post(f"{SESSIONS}{pk}/end").status_code == 404
    assert bob.post(f"{SESSIONS}{pk + 1000}/end").status_code == 404
    assert is_in(here)


def test_this_session_is_not_ended_by_the_list(log_in: Callable[..., Client]) -> None:
    here = log_in()
    assert here.post(f"{SESSIONS}{pk_of(here)}/end").status_code == 404
    assert is_in(here)


def test_a_changed_password_ends_the_other_sessions(log_in: Callable[..., Client]) -> None:
    here, there = log_in(), log_in(SAFARI)
    form = {"oldpassword": PASSWORD, "password1": "another long phrase", "password2": "another long phrase"}
    here.post("/accounts/password/change/", form)
    assert [is_in(here), is_in(there)] == [True, False]
    page = text(here.get(SESSIONS))
    assert "Firefox on Linux" in page
    assert "Safari on iOS" not in page


def test_a_session_that_was_there_before_its_record_is_listed_too(ann: Client) -> None:
    assert not UserSession.objects.exists()
    assert "This one" in text(ann.get(SESSIONS))


def test_use_is_noted_now_and_then_and_costs_nothing_between(ann: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ann.get("/account/data/")
    long_ago = timezone.now() - timedelta(days=1)
    UserSession.objects.update(last_seen_at=long_ago)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        ann.get("/account/data/")
    assert not [query for query in queries if "usersessions" in query["sql"]]
    assert UserSession.objects.get().last_seen_at == long_ago
    monkeypatch.setattr(sessions, "NOTE_SECONDS", 0)
    ann.get("/account/data/")
    assert UserSession.objects.get().last_seen_at > long_ago


def test_a_page_is_served_though_its_use_cannot_be_noted(ann: Client) -> None:
    # As behind a server on a Unix socket: nobody has an address.
    assert ann.get("/account/data/", REMOTE_ADDR="").status_code == 200
    assert not UserSession.objects.exists()


def test_what_is_remembered_is_bounded(ann: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_REMEMBERED", 3)
    noted = sessions._noted
    noted.update({"a": 0.0, "b": 0.0, "c": 0.0})
    ann.get("/account/data/")
    assert list(noted) == [ann.session.session_key]


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (SAFARI, "Safari on iOS"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 15_0) Version/18 Safari/605.1", "Safari on macOS"),
        ("python-requests/2.32", "python-requests/2.32"),
        ("", "Unknown browser"),
    ],
)
def test_a_browser_has_a_name(user_agent: str, name: str) -> None:
    assert browsers.describe(user_agent) == name
