"""Changes of the ways into an account ask again who is there."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from accounts import tokens
from accounts.models import User
from reports.models import Webhook
from tests.accounts.conftest import text
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
ASK = "/accounts/reauthenticate/"
EMAIL = "/accounts/email/"


@pytest.fixture
def stale(user: User) -> Client:
    """A browser of `user` that logged in long ago: a stolen cookie is as good."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def webhook(user: User) -> Webhook:
    return Webhook.objects.create(owner=user, url="https://example.org/hook", secret="whsec_c2VjcmV0")


def confirm(client: Client, location: str, password: str = PASSWORD) -> Any:
    """Enter the password on the page that asked for it."""
    return client.post(location, {"password": password})


@pytest.mark.parametrize(
    "path",
    [
        EMAIL,
        "/accounts/password/change/",
        "/account/tokens/",
        "/account/tokens/{token}/revoke",
        "/account/webhooks/",
        "/account/webhooks/{webhook}/?secret=shown",
        "/account/webhooks/{webhook}/secret",
        "/account/delete",
        "/accounts/2fa/totp/activate/",
        "/accounts/2fa/webauthn/add/",
    ],
)
def test_page_asks_before_its_form_is_filled_in(stale: Client, user: User, webhook: Webhook, path: str) -> None:
    tokens.issue(user, name="laptop")
    path = path.format(token=user.api_tokens.get().pk, webhook=webhook.pk)
    asked = stale.get(path)
    assert asked.status_code == 302
    assert asked["Location"].startswith(ASK)
    assert text(stale.get(asked["Location"])).count("whsec_") == 0
    back = confirm(stale, asked["Location"])
    assert back["Location"] == path
    assert stale.get(path).status_code == 200


@pytest.mark.parametrize(
    ("path", "form"),
    [
        (EMAIL, {"email": "thief@example.net", "action_add": ""}),
        (EMAIL, {"email": "ann@example.org", "action_remove": ""}),
        (EMAIL, {"email": "ann@example.org", "action_primary": ""}),
        ("/account/tokens/", {"name": "thief", "scopes": "read write", "days": ""}),
        ("/account/tokens/{token}/revoke", {}),
        ("/account/webhooks/", {"url": "https://example.net/hook"}),
        ("/account/webhooks/{webhook}/secret", {}),
        ("/account/delete", {"email": "ann@example.org"}),
        ("/account/export", {}),
        (
            "/accounts/password/change/",
            {"oldpassword": PASSWORD, "password1": "another long phrase", "password2": "another long phrase"},
        ),
    ],
)
def test_form_of_an_old_session_changes_nothing(
    stale: Client, user: User, webhook: Webhook, path: str, form: dict[str, str], mailoutbox: list[Any]
) -> None:
    tokens.issue(user, name="laptop")
    mailoutbox.clear()
    path = path.format(token=user.api_tokens.get().pk, webhook=webhook.pk)
    before = state(user)
    response = stale.post(path, form, follow=True)
    assert response.redirect_chain[0][0].startswith(ASK)
    assert "Nothing has been changed" in text(response)
    assert state(user) == before
    assert mailoutbox == []
    # Nothing of the form is kept in the session, which is a row of the database: it may be a password.
    assert "another long phrase" not in str(dict(stale.session))


def state(user: User) -> list[Any]:
    user.refresh_from_db()
    return [
        *(user.email, user.password, user.is_active),
        list(user.api_tokens.values_list("name", "revoked_at")),
        list(user.webhooks.values_list("url", "secret")),
        list(EmailAddress.objects.exclude(email=user.email).values_list("email", "primary")),
    ]


def test_wrong_password_confirms_nothing_and_guesses_are_limited(stale: Client) -> None:
    location = stale.get("/account/tokens/")["Location"]
    assert "Incorrect password" in text(confirm(stale, location, "wrong"))
    assert stale.get("/account/tokens/").status_code == 302
    answers = [confirm(stale, location, "wrong").status_code for _ in range(12)]
    assert 429 in answers


def test_login_counts_as_recent_until_its_time_is_over(user: User, settings: Any) -> None:
    client = Client()
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert client.get("/account/tokens/").status_code == 200
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    assert client.get("/account/tokens/").status_code == 302


def test_sign_up_counts_as_recent(db: None) -> None:
    client = Client()
    client.post("/accounts/signup/", {"email": "new@example.org", "password1": PASSWORD, "password2": PASSWORD})
    assert client.get("/account/tokens/").status_code == 200


def test_records_of_another_account_are_not_believed(user: User, stranger: User, stale: Client) -> None:
    session = stale.session
    session["account_authentication_methods"] = [{"method": "password", "at": time.time()}]
    session["account_authentication_methods_user"] = str(stranger.pk)
    session.save()
    assert stale.get("/account/tokens/").status_code == 302


def test_the_page_that_asks_leads_to_no_other_site(stale: Client) -> None:
    assert confirm(stale, f"{ASK}?next=https://evil.example/")["Location"] == "/"


def test_visitor_is_sent_to_the_login_and_no_form_is_kept(db: None) -> None:
    client = Client()
    for path in ("/account/tokens/", "/accounts/2fa/recovery-codes/generate/", EMAIL):
        response = client.post(path, {"name": "thief"})
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/")
    assert "thief" not in str(dict(client.session))


def test_account_without_a_way_to_confirm_gets_a_sentence(user: User) -> None:
    client = Client()
    user.set_unusable_password()
    user.save()
    client.force_login(user)
    response = client.get("/account/tokens/", headers={"Accept": "text/html"})
    assert response.status_code == 403
    assert "Reset your password" in text(response)


def test_webhook_page_has_the_secret_only_when_asked_for(ann: Client, webhook: Webhook) -> None:
    page = text(ann.get(f"/account/webhooks/{webhook.pk}/"))
    assert webhook.secret not in page
    assert re.search(r'href="[^"]*\?secret=shown', page)
    assert webhook.secret in text(ann.get(f"/account/webhooks/{webhook.pk}/?secret=shown"))


API = "/api/webhooks"


@pytest.fixture
def act(stale: Client) -> Callable[..., Any]:
    """act(method, path, body, **headers) -> the API's answer to the old session, with its CSRF token."""

    def send(method: str, path: str, body: Any = None, **headers: str) -> Any:
        return getattr(stale, method)(path, body, content_type="application/json", headers=headers)

    return send


def test_old_session_makes_no_secret_by_the_api(act: Callable[..., Any], user: User, webhook: Webhook) -> None:
    before = state(user)
    for method, path, body in (
        ("post", API, {"url": "https://example.net/hook"}),
        ("post", f"{API}/{webhook.pk}/secret", None),
        ("patch", f"{API}/{webhook.pk}", {"url": "https://example.net/hook"}),
    ):
        response = act(method, path, body)
        assert response.status_code == 403
        assert response.json()["code"] == "reauthentication_required"
    assert state(user) == before
    assert act("patch", f"{API}/{webhook.pk}", {"enabled": False}).status_code == 200
    assert act("get", f"{API}/{webhook.pk}").status_code == 200


def test_token_with_full_scope_may_renew_a_secret(webhook: Webhook, token: str) -> None:
    response = Client().post(f"{API}/{webhook.pk}/secret", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 200
    assert response.json()["secret"] != webhook.secret


def test_recent_session_may_renew_a_secret(ann: Client, webhook: Webhook) -> None:
    response = ann.post(f"{API}/{webhook.pk}/secret", content_type="application/json")
    assert response.status_code == 200
