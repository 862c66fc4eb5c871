"""Webhooks reach public addresses alone: refused when they are made, and again whenever something is sent."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from accounts.errors import Refusal
from accounts.models import User
from reports.models import Delivery
from reports.webhooks import addresses, management, outbox, sending, words
from tests.reports.webhooks.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)

PUBLIC = "93.184.215.14"
PRIVATE = [
    "127.0.0.1",
    "127.8.9.10",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104
    "255.255.255.255",
    "224.0.0.1",
    "198.18.0.1",
    "192.0.2.1",
    # Other spellings of 127.0.0.1 and 10.0.0.1.
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "017700000001",
    "127.1",
    "012.0.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    # Other ways to write an IPv4 address in an IPv6 one.
    "[::127.0.0.1]",
    "[::10.0.0.1]",
    "[::ffff:0:10.0.0.1]",
    "[64:ff9b::10.0.0.1]",
    "[2002:0a00:0001::]",
    "[2001:0:0a00:1::]",
    "[fe80::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd12:3456::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[100::1]",
    "[5f00::1]",
    "localhost",
    "LocalHost",
]
# Not everybody takes these for addresses at all.
ODD = ["１２７.0.0.1", "127。0。0。1", "localhost.", "127.0.0.1."]
BAD = [
    "",
    "example.org",
    "//example.org",
    "ftp://93.184.215.14/",
    "file:///etc/passwd",
    "gopher://93.184.215.14/",
    "unix:///var/run/docker.sock",
    "javascript:alert(1)",
    "http://",
    "http:///path",
    "http://93.184.215.14:99999/",
    "http://93.184.215.14:port/",
    "http://[::1",
    "http://user@93.184.215.14/",
    "http://user:password@93.184.215.14/",
    "http://93.184.215.14/ x",
    "http://93.184.215.14/\n",
    "http://93.184.215.14/\0",
    " http://93.184.215.14/",
    f"http://93.184.215.14/{'x' * 500}",
    f"http://{'x' * 70}.example/",
    "http://nobody.invalid/",
    "http://.../",
    "http://*/",
]


@pytest.fixture(autouse=True)
def _public_alone(settings: Any, _receivers_are_here: None) -> None:
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = False
    # Ports have tests of their own.
    settings.WEBHOOK_PORTS = range(65536)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names and the addresses that they have, one list for each time they are asked for; others are as they are."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        answers = known.get(host)
        if answers is None:
            return real(host, port, *args, **kwargs)
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [entry for address in found.split() for entry in real(address, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.fixture
def message_to(user: User) -> Callable[[str], Delivery]:
    def make(url: str) -> Delivery:
        return outbox.write_test(management.create(user, url))

    return make


def sent(message: Delivery) -> Delivery:
    assert sending.attempt(message.pk)
    message.refresh_from_db()
    return message


def refusal_of(url: str) -> str:
    with pytest.raises(Refusal) as caught:
        addresses.check(url)
    assert caught.value.status == 400
    return caught.value.code


@pytest.mark.parametrize("host", PRIVATE)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_private_address_is_refused_however_it_is_written(host: str, scheme: str) -> None:
    assert refusal_of(f"{scheme}://{host}/hook") == "private_address"
    assert refusal_of(f"{scheme}://{host}:8000/hook") == "private_address"


@pytest.mark.parametrize("host", ODD)
def test_a_spelling_that_is_odd_is_refused_too(host: str) -> None:
    assert refusal_of(f"http://{host}/hook") in ("private_address", "bad_url")


@pytest.mark.parametrize("host", [*PRIVATE, *ODD])
def test_nothing_is_sent_to_a_private_address_that_is_there_all_the_same(
    receiver: Receiver, message_to: Callable[[str], Delivery], host: str
) -> None:
    message = sent(message_to(f"http://{host}:{receiver.port}/hook"))
    assert (message.state, message.status_code) == ("pending", None)
    assert message.error == words.PRIVATE or host in ODD
    assert receiver.received.empty()


@pytest.mark.parametrize("url", BAD)
def test_what_is_not_an_address_is_refused(url: str) -> None:
    assert refusal_of(url) == "bad_url"


@pytest.mark.parametrize("url", BAD)
def test_and_so_it_is_where_private_addresses_are_allowed(url: str, settings: Any) -> None:
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = True
    if url not in ("http://nobody.invalid/", f"http://{'x' * 70}.example/"):
        assert refusal_of(url) == "bad_url"


@pytest.mark.parametrize(
    "url", [f"http://{PUBLIC}/", f"HTTPS://{PUBLIC}:8443/a?b=c#d", "http://[2606:4700::1111]/", f"http://{PUBLIC}/ü"]
)
def test_a_public_address_is_taken(url: str) -> None:
    addresses.check(url)


def test_private_addresses_are_taken_where_the_setting_allows_it(
    settings: Any, receiver: Receiver, message_to: Callable[[str], Delivery]
) -> None:
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = True
    addresses.check(receiver.url)
    assert sent(message_to(receiver.url)).state == "delivered"


@pytest.mark.parametrize("answer", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fd00::1", "::10.0.0.1"])
def test_a_name_that_leads_to_a_private_address_is_refused(names: dict[str, list[str]], answer: str) -> None:
    names["inside.example"] = [answer]
    assert refusal_of("http://inside.example/") == "private_address"


def test_this_machines_own_name_is_refused() -> None:
    assert refusal_of(f"http://{socket.gethostname()}/") in ("private_address", "bad_url")


def test_a_name_is_looked_up_once_and_what_was_looked_at_is_connected_to(
    names: dict[str, list[str]], receiver: Receiver, message_to: Callable[[str], Delivery]
) -> None:
    """The first answer is public; a second look would get another. (What is public here leads to the receiver.)"""
    names["twice.example"] = [PUBLIC, "10.0.0.1"]
    names[PUBLIC] = ["127.0.0.1"]
    # The address stands for itself while it is judged, and leads here when it is connected to.
    message = sent(message_to(f"http://twice.example:{receiver.port}/hook"))
    assert message.state == "delivered", message.error
    assert receiver.next().headers["host"] == f"twice.example:{receiver.port}"
    assert names["twice.example"] == ["10.0.0.1"]


def test_a_name_that_leads_elsewhere_by_then_is_refused_when_something_is_sent(
    names: dict[str, list[str]], receiver: Receiver, message_to: Callable[[str], Delivery]
) -> None:
    names["later.example"] = [PUBLIC, "127.0.0.1"]
    url = f"http://later.example:{receiver.port}/hook"
    addresses.check(url)
    assert sent(message_to(url)).error == words.PRIVATE
    assert receiver.received.empty()


def test_of_several_addresses_only_the_one_that_was_looked_at_is_tried(
    names: dict[str, list[str]],
    receiver: Receiver,
    message_to: Callable[[str], Delivery],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names["both.example"] = [f"{PUBLIC} 127.0.0.1"]
    with socket.socket() as taken:
        # Nobody listens where the public address leads; the private one would be the receiver.
        taken.bind(("127.0.0.2", receiver.port))
        names[PUBLIC] = ["127.0.0.2"]
        message = sent(message_to(f"http://both.example:{receiver.port}/hook"))
    assert message.error == words.NOT_REACHED
    assert receiver.received.empty()
