"""A message on its way: signed, tried again, never twice at once, and never for longer than agreed."""

import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from accounts.models import User
from reports.models import Delivery, Job, Webhook
from reports.webhooks import connections, management, outbox, sending
from tests.files import sales_csv
from tests.reports.webhooks.conftest import make_due
from tests.reports.webhooks.receiver import Receiver, hang_up

pytestmark = pytest.mark.django_db(transaction=True)
Finished = Callable[..., Job]


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> float:
    """A second instead of fifteen."""
    monkeypatch.setattr(connections, "TOTAL_SECONDS", 1.0)
    return 1.0


def send(message: Delivery) -> Delivery:
    assert sending.attempt(message.pk)
    message.refresh_from_db()
    return message


def test_a_receiver_that_fails_twice_gets_it_once_it_recovers(
    webhook: Webhook, receiver: Receiver, finished: Finished
) -> None:
    job = finished(sales_csv(50))
    message = Delivery.objects.get()
    receiver.replies = [500, hang_up]
    first = send(message)
    assert (first.state, first.status_code, first.error) == ("pending", 500, "The receiver answered 500.")
    assert not sending.attempt(message.pk)  # not due
    make_due()
    second = send(message)
    assert (second.state, second.status_code) == ("pending", None)
    make_due()
    third = send(message)
    assert (third.state, third.attempts, third.status_code, third.error) == ("delivered", 3, 204, "")
    assert third.next_attempt_at is None
    assert not sending.attempt(message.pk)

    tries = [receiver.next() for _ in range(3)]
    assert receiver.received.empty()
    assert {received.id for received in tries} == {str(message.pk)}
    for received in tries:
        told = Verifier(webhook.secret).verify(received.body, dict(received.headers))
        assert (told["type"], told["data"]["jobId"]) == ("job.completed", str(job.pk))
        assert received.headers["content-type"] == "application/json"
    # The second try had its effect, and its answer was lost; the third has not had it again.
    assert list(receiver.effects) == [str(message.pk)]


def test_a_message_that_was_changed_or_signed_by_another_is_not_taken_for_ours(
    webhook: Webhook, receiver: Receiver, message: Delivery
) -> None:
    send(message)
    received = receiver.next()
    headers = dict(received.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(webhook.secret).verify(received.body.replace(b"test", b"best"), headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(webhook.secret).verify(received.body, headers | {"webhook-id": "another"})
    management.renew_secret(webhook)
    with pytest.raises(WebhookVerificationError):
        Verifier(webhook.secret).verify(received.body, headers)


def test_after_renewal_the_new_secret_signs(webhook: Webhook, receiver: Receiver, message: Delivery) -> None:
    management.renew_secret(webhook)
    receiver.secret = ""
    send(message)
    received = receiver.next()
    assert Verifier(webhook.secret).verify(received.body, dict(received.headers))["type"] == "test"


def test_the_waits_grow_until_it_is_given_up(webhook: Webhook, receiver: Receiver, message: Delivery) -> None:
    receiver.replies = [503] * 20
    waits = []
    while message.state == "pending":
        make_due()
        before = timezone.now()
        send(message)
        if message.next_attempt_at:
            waits.append((message.next_attempt_at - before).total_seconds())
    assert (message.state, message.attempts, message.next_attempt_at) == ("failed", 10, None)
    for waited, planned in zip(waits, sending.WAITS, strict=True):
        assert waited == pytest.approx(planned.total_seconds(), rel=0.11, abs=2)
    assert all(earlier < later for earlier, later in pairwise(sending.WAITS))
    make_due()
    assert not sending.attempt(message.pk)


def test_a_redirect_is_not_followed(receiver: Receiver, message: Delivery) -> None:
    def lead_elsewhere(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(307)
        handler.send_header("Location", receiver.url + "/elsewhere")
        handler.end_headers()

    receiver.replies = [lead_elsewhere]
    send(message)
    receiver.next()
    assert receiver.received.empty()
    assert (message.state, message.status_code) == ("pending", 307)
    assert "a redirect" in message.error


def test_gone_switches_the_webhook_off(webhook: Webhook, receiver: Receiver, message: Delivery) -> None:
    receiver.replies = [410]
    send(message)
    assert (message.state, message.next_attempt_at) == ("failed", None)
    webhook.refresh_from_db()
    assert webhook.disabled_at is not None
    assert not sending.due().exists()


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_success_is_a_delivery(receiver: Receiver, message: Delivery, status: int) -> None:
    receiver.replies = [status]
    assert send(message).state == "delivered"


def hang(handler: BaseHTTPRequestHandler) -> None:
    """Never answer: until the other side has gone."""
    handler.connection.recv(1)
    handler.close_connection = True


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A success, in a header that never ends."""
    handler.connection.sendall(b"HTTP/1.1 200 OK\r\nX-Endless: ")
    gone = threading.Event()
    while not gone.wait(0.1):
        try:
            handler.connection.sendall(b"x")
        except OSError:
            gone.set()
    handler.close_connection = True


@pytest.mark.parametrize("reply", [hang, drip])
def test_a_receiver_that_takes_too_long_is_left(
    receiver: Receiver, message: Delivery, brief: float, reply: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    receiver.replies = [reply]
    began = time.monotonic()
    send(message)
    assert time.monotonic() - began < brief + 5
    assert (message.state, message.status_code, message.error) == ("pending", None, "No answer within 15 seconds.")


def test_a_long_body_is_not_read(receiver: Receiver, message: Delivery, brief: float) -> None:
    def talk(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 100_000)
        except OSError:
            pass

    receiver.replies = [talk]
    assert send(message).state == "delivered"


def test_who_is_not_there_or_talks_nonsense_is_told_of_in_plain_words(
    user: User, receiver: Receiver, message: Delivery
) -> None:
    def talk_nonsense(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.sendall(b"220 mail.example.org ESMTP\r\n")
        hang_up(handler)

    receiver.replies = [talk_nonsense]
    assert "not HTTP" in send(message).error
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = outbox.write_test(management.create(user, f"http://127.0.0.1:{taken.getsockname()[1]}/"))
        assert "cannot be reached" in send(closed).error
    plain = outbox.write_test(management.create(user, f"https://127.0.0.1:{receiver.port}/"))
    assert "certificate" in send(plain).error
    unknown = outbox.write_test(management.create(user, "http://nobody.invalid/"))
    assert "cannot be reached" in send(unknown).error
    absurd = outbox.write_test(management.create(user, f"http://{'x' * 70}.example/"))
    assert "cannot be reached" in send(absurd).error


def test_two_that_see_it_at_once_send_it_once(receiver: Receiver, message: Delivery) -> None:
    start = threading.Barrier(4)
    sent: list[bool] = []

    def race() -> None:
        start.wait(10)
        sent.append(sending.attempt(message.pk))
        connection.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(sent) == [False, False, False, True]
    receiver.next()
    assert receiver.received.empty()


def test_a_sender_that_died_before_it_wrote_down_is_followed_by_another_with_the_same_id(
    receiver: Receiver, message: Delivery
) -> None:
    dead = sending.claim(message.pk)
    assert dead is not None
    assert sending.post(dead).status == 204
    assert sending.claim(message.pk) is None  # for a while it is the dead one's
    make_due()
    assert send(message).state == "delivered"
    assert receiver.next().id == receiver.next().id
    assert list(receiver.effects) == [str(message.pk)]


def test_a_sender_that_slept_too_long_writes_nothing(message: Delivery) -> None:
    slow = sending.claim(message.pk)
    assert slow is not None
    make_due()
    other = sending.claim(message.pk)
    assert other is not None
    sending.record(slow, sending.Outcome(500, "…"))
    message.refresh_from_db()
    assert (message.state, message.error, message.next_attempt_at) == ("pending", "", other.next_attempt_at)
    sending.record(other, sending.Outcome(204))
    message.refresh_from_db()
    assert message.state == "delivered"
    sending.record(slow, sending.Outcome(500, "…"))
    message.refresh_from_db()
    assert message.state == "delivered"


def test_nothing_is_sent_for_a_webhook_that_is_off_or_an_account_that_is_locked(
    webhook: Webhook, user: User, receiver: Receiver, message: Delivery
) -> None:
    management.switch(webhook, on=False)
    assert not sending.due().exists()
    assert not sending.attempt(message.pk)
    management.switch(webhook, on=True)
    User.objects.update(is_active=False)
    make_due()
    assert not sending.due().exists()
    assert not sending.attempt(message.pk)
    User.objects.update(is_active=True)
    make_due()
    assert [found.pk for found in sending.due()] == [message.pk]
    send(message)
    receiver.next()
    assert receiver.received.empty()


def test_it_is_sent_without_what_the_machine_knows_of_proxies_and_passwords(
    receiver: Receiver, message: Delivery, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ann password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert send(message).state == "delivered"
    assert "authorization" not in receiver.next().headers


def test_the_body_is_what_was_written(receiver: Receiver, message: Delivery) -> None:
    send(message)
    received = receiver.next()
    assert received.body.decode() == message.body
    assert json.loads(received.body)["data"] == {"webhookId": str(message.webhook_id)}
