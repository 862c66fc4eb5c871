"""API tokens on their page."""

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import tokens
from accounts.models import ApiToken, User
from tests.accounts.conftest import text

pytestmark = pytest.mark.django_db
TOKENS = "/account/tokens/"


def create(client: Client, name: str = "nightly import") -> str:
    """The token that the page shows."""
    found = re.search(r'value="(salesagg_[^"]+)"', text(client.post(TOKENS, {"name": name})))
    assert found
    return found[1]


def test_a_token_is_made_and_works(user: User, ann: Client) -> None:
    token = create(ann)
    assert getattr(tokens.find(token), "user", None) == user
    response = Client().post("/uploads/", headers={"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"})
    assert response.status_code == 400


def test_a_token_is_shown_once_and_kept_nowhere(ann: Client) -> None:
    response = ann.post(TOKENS, {"name": "nightly import"})
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
    assert "You have a valid token of this name" in text(ann.post(TOKENS, {"name": "nightly import"}))
    assert ApiToken.objects.count() == 1
    tokens.revoke(ApiToken.objects.get())
    create(ann)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101])
def test_a_token_needs_a_name(ann: Client, name: str) -> None:
    assert 'class="field-error"' in text(ann.post(TOKENS, {"name": name}))
    assert not ApiToken.objects.exists()


def test_there_is_a_limit_for_valid_tokens(
    user: User, stranger: User, ann: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MAX_VALID", 2)
    create(ann, "one")
    create(ann, "two")
    tokens.issue(stranger, name="theirs")
    assert "as many valid tokens as possible" in text(ann.get(TOKENS))
    response = ann.post(TOKENS, {"name": "three"})
    assert response.status_code == 409
    assert "You have 2 valid tokens" in text(response)
    with pytest.raises(CommandError, match="You have 2 valid tokens"):
        call_command("create_token", user.email, stdout=StringIO())
    tokens.revoke(user.api_tokens.get(name="one"))
    create(ann, "three")


def test_a_name_is_text_and_never_markup(ann: Client) -> None:
    create(ann, "<img src=x>")
    assert "<img src=x>" not in text(ann.get(TOKENS))
