"""Programs that call the API."""

from collections.abc import Callable

import pytest
from django.test import Client

from accounts import tokens
from accounts.models import User
from tests.conftest import MakeUser

nobody = Client()


@pytest.fixture
def api_of() -> Callable[[User], Client]:
    """api_of(user) -> a program with a token of that user."""

    def make(user: User) -> Client:
        return Client(headers={"Authorization": f"Bearer {tokens.issue(user, name='tests')}"})

    return make


@pytest.fixture
def api(user: User, api_of: Callable[[User], Client]) -> Client:
    """A program of `user`'s."""
    return api_of(user)


@pytest.fixture
def others(stranger: User, make_user: MakeUser, api_of: Callable[[User], Client]) -> list[Client]:
    """Programs of another person, and of an operator, to whom the API shows their own things alone."""
    return [api_of(stranger), api_of(make_user("root@example.org", is_staff=True, is_superuser=True))]
