"""Webhooks reach the ports of web servers, so that nobody has us knock at other people's mail servers."""

from typing import Any

import pytest

from accounts.errors import Refusal
from accounts.models import User
from reports.webhooks import addresses, management, outbox, sending, words

pytestmark = pytest.mark.django_db(transaction=True)
PUBLIC = "93.184.215.14"


@pytest.fixture(autouse=True)
def _public_alone(settings: Any, _receivers_are_here: None) -> None:
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = False


@pytest.mark.parametrize("url", ["http://{}/", "https://{}/", "https://{}:443/x", "https://{}:8443/", "http://{}:80/"])
def test_ports_of_web_servers_are_allowed(url: str) -> None:
    addresses.check(url.format(PUBLIC))


@pytest.mark.parametrize("port", [22, 25, 465, 3306, 5432, 6379, 8000, 9000])
def test_other_ports_are_refused_with_the_allowed_ones(port: int) -> None:
    with pytest.raises(Refusal, match="80, 443, 8443") as refused:
        addresses.check(f"https://{PUBLIC}:{port}/")
    assert (refused.value.status, refused.value.code) == (400, "port_not_allowed")


def test_operator_allows_other_ports(settings: Any) -> None:
    settings.WEBHOOK_PORTS = [9000]
    addresses.check(f"https://{PUBLIC}:9000/")
    with pytest.raises(Refusal):
        addresses.check(f"https://{PUBLIC}/")


def test_every_port_is_allowed_where_private_addresses_are(settings: Any) -> None:
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = True
    addresses.check("http://10.0.0.1:9000/")


def test_message_to_a_port_that_is_not_allowed_is_not_sent(user: User) -> None:
    message = outbox.write_test(management.create(user, f"http://{PUBLIC}:25/"))
    assert sending.attempt(message.pk)
    message.refresh_from_db()
    assert (message.state, message.error, message.status_code) == ("pending", words.PORT, None)
