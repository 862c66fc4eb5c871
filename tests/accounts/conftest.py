"""What the tests of the account's pages share."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import AsyncClient, Client

from accounts import deletion, sessions
from accounts.models import User
from tests.conftest import just_authenticated


@pytest.fixture(autouse=True)
def _nothing_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test begins with a process that has noted no session and looked for no deletion."""
    monkeypatch.setattr(sessions, "_noted", {})
    monkeypatch.setattr(deletion, "_looked_at", float("-inf"))


@pytest.fixture
def bob(stranger: User, client_of: Callable[[User], Client]) -> Client:
    """The browser of `stranger`."""
    return client_of(stranger)


@pytest.fixture
async def streaming_ann(user: User) -> AsyncClient:
    """The browser of `user` as ASGI serves it, which is how downloads are streamed."""
    client = AsyncClient()
    await client.aforce_login(user)
    session = await client.asession()
    await session.aupdate(just_authenticated(user))
    await session.asave()
    return client


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content
