"""What all of the account's pages have in common."""

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import User
from tests.accounts.conftest import text

pytestmark = pytest.mark.django_db
PAGES = {
    "/account/": "Profile",
    "/accounts/email/": "Profile",
    "/accounts/password/change/": "Password",
    "/account/tokens/": "API tokens",
    "/account/sessions/": "Sessions",
    "/account/activity/": "Activity",
    "/account/data/": "Your data",
    "/account/delete": "Your data",
}
ACTIONS = ["/account/export", "/account/sessions/end", "/account/sessions/1/end"]


@pytest.mark.parametrize(("path", "name"), PAGES.items())
def test_every_page_shows_where_one_is(ann: Client, path: str, name: str) -> None:
    page = text(ann.get(path))
    for other in set(PAGES.values()):
        assert f">{other}</a>" in page
    marked = [line for line in page.splitlines() if "aria-current" in line]
    assert len(marked) == 1
    assert f">{name}</a>" in marked[0]


@pytest.mark.parametrize("path", [*PAGES, *ACTIONS, "/account/tokens/1/revoke"])
def test_nobody_is_sent_to_the_login(path: str, db: None) -> None:
    client = Client()
    response = client.post(path) if path in ACTIONS else client.get(path)
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("path", ACTIONS)
def test_what_acts_takes_a_post(ann: Client, path: str) -> None:
    assert ann.get(path).status_code == 405


@pytest.mark.parametrize(
    "path", ["/account/", "/account/tokens/", "/account/sessions/", "/account/activity/", "/account/data/"]
)
def test_pages_take_no_other_methods(ann: Client, path: str) -> None:
    assert ann.delete(path).status_code == 405


@pytest.mark.parametrize("path", ["/account/", "/account/tokens/", "/account/delete", *ACTIONS])
def test_no_other_site_can_act_for_somebody(user: User, path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert client.post(path).status_code == 403


def test_errors_are_tied_to_their_fields(client_of: Callable[[User], Client], user: User) -> None:
    page = text(client_of(user).post("/account/tokens/", {"name": ""}))
    assert 'aria-describedby="id_name_helptext id_name_error"' in page
    assert '<div id="id_name_error">' in page


def test_too_many_log_ins_are_told_in_plain_words(user: User) -> None:
    client = Client()
    for number in range(31):
        response = client.post("/accounts/login/", {"login": f"{number}@example.org", "password": "wrong"})
    assert response.status_code == 429
    assert "Wait a minute" in text(response)
