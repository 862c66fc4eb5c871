"""API tokens on their page."""

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts import tokens
from accounts.errors import Refusal
from accounts.models import ApiToken, User
from accounts.views import tokens as pages
from tests.accounts.conftest import text

pytestmark = pytest.mark.django_db
TOKENS = "/account/tokens/"


def form(name: str = "nightly import", **fields: str) -> dict[str, str]:
    return {"name": name, "scopes": "read write", "days": "90", **fields}


def create(client: Client, name: str = "nightly import", **fields: str) -> str:
    """The token that the page shows."""
    found = re.search(r'value="(salesagg_[^"]+)"', text(client.post(TOKENS, form(name, **fields))))
    assert found
    return found[1]


def test_a_token_is_made_and_works(user: User, ann: Client) -> None:
    token = create(ann)
    assert getattr(tokens.find(token), "user", None) == user
    response = Client().post("/uploads/", headers={"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"})
    assert response.status_code == 400


def test_a_token_is_shown_once_and_kept_nowhere(ann: Client) -> None:
    response = ann.post(TOKENS, form())
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    token = re.search(r"salesagg_[\w-]{20,}", text(response))
    assert token
    assert token[0] not in text(ann.get(TOKENS))
    assert token[0] not in str(dict(ann.session))
    assert token[0] not in str(response.cookies)


def test_the_list_tells_hint_use_and_revocation(ann: Client) -> None:
    token = create(ann)
    page = text(ann.get(TOKENS))
    assert "nightly import" in page
    assert token[: tokens.HINT_LENGTH] in page
    assert "Never" in page
    tokens.find(token)
    assert "Never" not in text(ann.get(TOKENS))


def test_scopes_and_expiry_are_chosen_and_told(ann: Client) -> None:
    read_only = create(ann, "watcher", scopes="read", days="")
    page = text(ann.get(TOKENS))
    assert "<dd>read only</dd>" in page
    assert "<dt>Expires</dt><dd>Never</dd>" in page
    assert ApiToken.objects.get(hint=read_only[: tokens.HINT_LENGTH]).expires_at is None
    create(ann, "importer", days="7")
    stored = ApiToken.objects.get(name="importer")
    assert stored.scopes == "read write"
    assert stored.expires_at is not None
    assert timedelta(days=7) - timedelta(minutes=1) < stored.expires_at - timezone.now() <= timedelta(days=7)
    assert f'<dt>Expires</dt><dd><time datetime="{stored.expires_at:%Y-%m-%d}' in text(ann.get(TOKENS))


def test_a_token_expires_in_ninety_days_unless_something_else_is_chosen(ann: Client) -> None:
    assert '<option value="90" selected>' in text(ann.get(TOKENS))


@pytest.mark.parametrize("fields", [{"scopes": "admin"}, {"scopes": ""}, {"days": "8"}, {"days": "-1"}, {"days": "x"}])
def test_scopes_and_expiry_are_of_those_offered(ann: Client, fields: dict[str, str]) -> None:
    assert 'class="field-error"' in text(ann.post(TOKENS, form(**fields)))
    assert not ApiToken.objects.exists()


def test_an_expired_token_is_refused_and_shown_as_such(ann: Client) -> None:
    token = create(ann)
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert tokens.find(token) is None
    page = text(ann.get(TOKENS))
    assert 'class="badge-text">Expired<' in page
    assert "/revoke" not in page
    # Its name is free, and it does not count.
    create(ann)
    assert tokens.valid(ApiToken.objects.earliest("pk").user).count() == 1


def test_only_the_latest_ended_tokens_are_listed(user: User, ann: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "ENDED_SHOWN", 2)
    for name in ("oldest", "expired", "revoked"):
        tokens.issue(user, name=f"the {name} one", days=1)
    now = timezone.now()
    ApiToken.objects.filter(name="the oldest one").update(revoked_at=now - timedelta(days=3))
    ApiToken.objects.filter(name="the expired one").update(expires_at=now - timedelta(days=2))
    ApiToken.objects.filter(name="the revoked one").update(revoked_at=now - timedelta(days=1))
    page = text(ann.get(TOKENS))
    assert 0 < page.index("the revoked one") < page.index("the expired one")
    assert "the oldest one" not in page


def test_a_revoked_token_is_refused_and_shown_as_such(ann: Client) -> None:
    token = create(ann)
    pk = ApiToken.objects.get().pk
    asked = text(ann.get(f"{TOKENS}{pk}/revoke"))
    assert "nightly import" in asked
    assert tokens.find(token) is not None
    response = ann.post(f"{TOKENS}{pk}/revoke", follow=True)
    assert "has been revoked" in text(response)
    assert ">Revoked<" in text(response)
    assert f"{pk}/revoke" not in text(response)
    assert tokens.find(token) is None
    refused = Client().post("/uploads/", headers={"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"})
    assert refused.status_code == 401


def test_somebody_elses_token_looks_like_none(ann: Client, bob: Client) -> None:
    token = create(bob)
    assert token[: tokens.HINT_LENGTH] not in text(ann.get(TOKENS))
    pk = ApiToken.objects.get().pk
    for path in (f"{TOKENS}{pk}/revoke", f"{TOKENS}{pk + 1}/revoke"):
        assert ann.get(path).status_code == 404
        assert ann.post(path).status_code == 404
    assert tokens.find(token) is not None


def test_a_page_that_is_sent_twice_makes_no_second_token(ann: Client) -> None:
    create(ann)
    assert "You have a valid token of this name" in text(ann.post(TOKENS, form()))
    assert ApiToken.objects.count() == 1
    tokens.revoke(ApiToken.objects.get())
    create(ann)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101])
def test_a_token_needs_a_name(ann: Client, name: str) -> None:
    assert 'class="field-error"' in text(ann.post(TOKENS, form(name)))
    assert not ApiToken.objects.exists()


def test_there_is_a_limit_for_valid_tokens(
    user: User, stranger: User, ann: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MAX_VALID", 2)
    create(ann, "one")
    create(ann, "two")
    tokens.issue(stranger, name="theirs")
    assert "as many valid tokens as possible" in text(ann.get(TOKENS))
    response = ann.post(TOKENS, form("three"))
    assert response.status_code == 409
    assert "You have 2 valid tokens" in text(response)
    with pytest.raises(CommandError, match="You have 2 valid tokens"):
        call_command("create_token", user.email, stdout=StringIO())
    tokens.revoke(user.api_tokens.get(name="one"))
    create(ann, "three")


def test_a_name_is_text_and_never_markup(ann: Client) -> None:
    create(ann, "<img src=x>")
    assert "<img src=x>" not in text(ann.get(TOKENS))


def test_all_tokens_are_revoked_at_once(user: User, stranger: User, ann: Client) -> None:
    mine, theirs = [create(ann, "first"), create(ann, "second")], tokens.issue(stranger, name="theirs")
    assert "Revoke all" in text(ann.get(TOKENS))
    assert "2 valid tokens" in text(ann.get(f"{TOKENS}revoke"))
    assert all(tokens.find(token) for token in mine)
    assert "2 tokens have been revoked." in text(ann.post(f"{TOKENS}revoke", follow=True))
    assert not any(tokens.find(token) for token in mine)
    assert tokens.find(theirs)


def test_the_second_of_two_pages_at_once_makes_no_token(user: User) -> None:
    # Both forms were checked before either token was stored.
    tokens.issue(user, name="nightly", new_name=True)
    with pytest.raises(Refusal) as refused:
        tokens.issue(user, name="nightly", new_name=True)
    assert (refused.value.status, refused.value.code) == (409, "token_name_taken")
    assert user.api_tokens.count() == 1
