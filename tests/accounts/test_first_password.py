"""An account whose first password was chosen by another person can do nothing but change it."""

from typing import Any

import pytest
from django.test import Client

from accounts import credentials, tokens
from accounts.errors import Refusal
from accounts.models import User
from reports.rpc import callers
from tests.conftest import PASSWORD, MakeUser

pytestmark = pytest.mark.django_db(transaction=True)
CHANGE = "/accounts/password/change/"
HTML = {"Accept": "text/html"}
NEW = "another correct horse"


@pytest.fixture
def chief(make_user: MakeUser) -> User:
    return make_user("chief@example.org", is_staff=True, is_superuser=True, must_change_password=True)


@pytest.fixture
def browser(chief: User) -> Client:
    made = Client()
    response = made.post("/accounts/login/", {"login": chief.email, "password": PASSWORD})
    assert response.status_code == 302
    return made


def change(browser: Client) -> Any:
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    return browser.post(CHANGE, form)


@pytest.mark.parametrize(
    "path", ["/", "/account/", "/account/tokens/", "/admin/", "/admin/accounts/user/", "/admin/password_change/"]
)
def test_page_leads_to_the_change_of_the_first_password(browser: Client, path: str) -> None:
    response = browser.get(path, headers=HTML)
    assert (response.status_code, response.headers.get("Location")) == (302, CHANGE)


def test_first_password_is_changed_and_everything_opens(browser: Client, chief: User) -> None:
    page = browser.get(CHANGE, headers=HTML)
    assert page.status_code == 200
    assert "Your first password was chosen for you." in page.content.decode()
    assert change(browser).status_code == 302
    chief.refresh_from_db()
    assert not chief.must_change_password
    assert browser.get("/admin/", headers=HTML).status_code == 200


def test_wrong_old_password_opens_nothing(browser: Client, chief: User) -> None:
    browser.post(CHANGE, {"oldpassword": "wrong", "password1": NEW, "password2": NEW})
    assert browser.get("/", headers=HTML).headers.get("Location") == CHANGE


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "/api/jobs"), ("post", "/api/webhooks"), ("post", "/uploads/"), ("post", "/account/tokens/")],
)
def test_session_with_a_first_password_is_refused_with_a_code(browser: Client, method: str, path: str) -> None:
    response = getattr(browser, method)(path)
    assert (response.status_code, response.json()["code"]) == (403, "password_change_required")


def test_token_and_jwt_of_a_first_password_are_refused_with_a_code(chief: User) -> None:
    login = {"email": chief.email, "password": PASSWORD}
    answer = Client().post("/api/auth/app/v1/auth/login", login, content_type="application/json").json()
    for secret in (tokens.issue(chief, name="tests"), answer["meta"]["access_token"]):
        for method, path in (("get", "/api/jobs"), ("post", "/uploads/")):
            response = getattr(Client(), method)(path, headers={"Authorization": f"Bearer {secret}"})
            assert (response.status_code, response.json()["code"]) == (403, "password_change_required")


def test_grpc_call_with_a_first_password_is_refused(chief: User) -> None:
    metadata = {"authorization": f"Bearer {tokens.issue(chief, name='tests')}"}
    with pytest.raises(Refusal) as refused:
        callers.identify(metadata, callers.Peer("ipv4:127.0.0.1:1"), scope=credentials.READ)
    assert (refused.value.status, refused.value.code) == (403, "password_change_required")


def test_log_out_and_health_stay_open(browser: Client) -> None:
    assert browser.get("/healthz").status_code == 200
    assert browser.post("/accounts/logout/").status_code == 302
