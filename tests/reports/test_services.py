"""The tests run in the world that they are told to run in: they did not once, and nobody noticed."""

import pytest
from channels.layers import get_channel_layer
from django.db import connection

pytestmark = pytest.mark.services


def test_the_services_are_real_where_they_are_asked_for(pytestconfig: pytest.Config) -> None:
    services = pytestconfig.getoption("services")
    assert connection.vendor == ("postgresql" if services else "sqlite")
    assert ("redis" in type(get_channel_layer()).__module__) == services
