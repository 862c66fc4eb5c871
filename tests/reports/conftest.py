"""Every test begins with services that have not failed yet. And the staff, for the tests of the admin."""

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from accounts.outage import Outage
from reports import events, hints, sockets
from tests.conftest import MakeUser


@pytest.fixture(autouse=True)
def _no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "_outage", Outage(seconds=60))
    monkeypatch.setattr(events, "_outage", Outage(seconds=60))


@pytest.fixture(autouse=True)
def _nobody_reads_any_more(request: pytest.FixtureRequest) -> Iterator[None]:
    """A socket that is closed leaves its last reading to itself; tables cannot be emptied during one."""
    yield
    if request.node.get_closest_marker("django_db"):
        sockets.settle()


@pytest.fixture
def admin(make_user: MakeUser, client_of: Callable[[User], Client]) -> Client:
    """The browser of an operator who may do everything."""
    return client_of(make_user("root@example.org", is_staff=True, is_superuser=True))


@pytest.fixture
def viewer(make_user: MakeUser, client_of: Callable[[User], Client]) -> Client:
    """The browser of a staff member who may only look at jobs and uploads."""
    staff = make_user("viewer@example.org", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=["view_job", "view_upload"]))
    return client_of(staff)


@pytest.fixture
def clerk(make_user: MakeUser, client_of: Callable[[User], Client]) -> Client:
    """The browser of a staff member who has no permission here."""
    return client_of(make_user("clerk@example.org", is_staff=True))
