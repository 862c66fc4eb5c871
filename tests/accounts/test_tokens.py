"""API tokens: issued once, stored as a digest, good for programs' views alone."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts import tokens
from accounts.models import ApiToken, User

pytestmark = pytest.mark.django_db


def options(client: Client, header: str) -> int:
    """The status of creating an upload of no sensible length: 400 for who is let in."""
    response = client.post("/uploads/", headers={"Authorization": header, "Tus-Resumable": "1.0.0"})
    return response.status_code


def test_the_command_prints_a_token_that_works(user: User) -> None:
    out = StringIO()
    call_command("create_token", "ANN@example.org", name="nightly job", stdout=out)
    token = out.getvalue().strip()
    stored = ApiToken.objects.get()
    assert getattr(tokens.find(token), "user", None) == user
    assert (stored.name, token.startswith(stored.hint)) == ("nightly job", True)
    assert token not in str(ApiToken.objects.values().get())
    assert options(Client(), f"Bearer {token}") == 400


def test_the_command_says_when_there_is_no_such_user(db: None) -> None:
    with pytest.raises(CommandError, match="no user with the address nobody@example"):
        call_command("create_token", "nobody@example.org")


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", "Bearer", "Basic YTpi", "", "nonsense"])
def test_anything_else_is_refused(token: str, header: str) -> None:
    assert options(Client(), header) == 401


def test_a_bad_token_is_refused_even_with_a_session(ann: Client) -> None:
    assert options(ann, "Bearer wrong") == 401


def test_a_revoked_token_and_a_locked_out_users_token_are_refused(user: User, token: str) -> None:
    User.objects.update(is_active=False)
    assert tokens.find(token) is None
    User.objects.update(is_active=True)
    assert getattr(tokens.find(token), "user", None) == user
    tokens.revoke(ApiToken.objects.get())
    assert tokens.find(token) is None
    assert options(Client(), f"Bearer {token}") == 401


def test_the_last_use_is_noted(token: str) -> None:
    assert ApiToken.objects.get().last_used_at is None
    tokens.find(token)
    first = ApiToken.objects.get().last_used_at
    tokens.find(token)
    assert first is not None
    assert ApiToken.objects.get().last_used_at == first


@pytest.mark.parametrize("path", ["/", "/admin/", "/accounts/password/change/"])
def test_a_token_opens_no_pages(token: str, path: str) -> None:
    assert Client().get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 302


def test_the_command_makes_tokens_that_read_or_end(user: User) -> None:
    call_command("create_token", user.email, "--read-only", "--days=7", stdout=StringIO())
    stored = ApiToken.objects.get()
    assert stored.scopes == "read"
    assert stored.expires_at is not None
    assert stored.expires_at.date() == (timezone.now() + timedelta(days=7)).date()


@pytest.mark.parametrize("days", ["0", "-1", "3651", "x"])
def test_the_command_refuses_days_that_are_none(user: User, days: str) -> None:
    with pytest.raises(CommandError):
        call_command("create_token", user.email, f"--days={days}")
    assert not ApiToken.objects.exists()


def test_an_expired_token_is_refused(user: User, token: str) -> None:
    ApiToken.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
    assert options(Client(), f"Bearer {token}") == 400
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert options(Client(), f"Bearer {token}") == 401
