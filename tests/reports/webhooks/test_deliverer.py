"""The thread that sends: at once, in a fair order, until it is stopped."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from accounts.models import User
from reports.models import Delivery, Job, Webhook
from reports.webhooks import deliverer, management, outbox, sending
from reports.webhooks.deliverer import Deliverer
from tests.files import sales_csv
from tests.reports.webhooks.conftest import make_due
from tests.reports.webhooks.receiver import Receiver
from tests.services import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
Finished = Callable[..., Job]


@pytest.fixture
def running() -> Iterator[Deliverer]:
    started = Deliverer()
    started.start()
    yield started
    started.stop()
    started.join(20)
    assert not started._thread.is_alive()
    assert not started._sending


def states() -> list[str]:
    return list(Delivery.objects.order_by("created_at").values_list("state", flat=True))


def test_a_job_that_ends_is_told_of_at_once(
    webhook: Webhook, receiver: Receiver, running: Deliverer, finished: Finished
) -> None:
    job = finished(sales_csv(50))
    assert str(job.pk).encode() in receiver.next().body
    wait_until(lambda: states() == ["delivered"], what="the answer to be written down")


def test_what_failed_is_sent_again_when_its_time_has_come(
    webhook: Webhook, receiver: Receiver, running: Deliverer
) -> None:
    receiver.replies = [500, 500]
    outbox.write_test(webhook)
    ids = set()
    for tries in (1, 2, 3):
        ids.add(receiver.next().id)
        written = Delivery.objects.filter(attempts=tries).exclude(status_code=None)
        wait_until(written.all().exists, what="the answer to be written down")
        make_due()
    wait_until(lambda: states() == ["delivered"], what="the delivery")
    assert len(ids) == 1
    assert len(receiver.effects) == 1


def test_two_deliverers_send_each_message_once(
    user: User, receiver: Receiver, webhook: Webhook, running: Deliverer
) -> None:
    second = Deliverer()
    second.start()
    for _ in range(20):
        outbox.write_test(webhook)
    received = [receiver.next().id for _ in range(20)]
    wait_until(lambda: set(states()) == {"delivered"}, what="all deliveries")
    second.stop()
    second.join(20)
    assert len(set(received)) == 20
    assert receiver.received.empty()


def test_receivers_that_hang_hold_up_nobody_elses(
    user: User, stranger: User, receiver: Receiver, running: Deliverer
) -> None:
    """One person has more receivers that hang than places, and a backlog for each."""
    free = threading.Event()
    hanging = Receiver()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        free.wait(20)
        handler.send_response(204)
        handler.end_headers()

    hanging.replies = [hang] * 100
    for number in range(deliverer.AT_ONCE):
        webhook = management.create(user, f"{hanging.url}/{number}")
        for _ in range(3):
            outbox.write_test(webhook)
    for _ in range(deliverer.AT_ONCE_FOR_ONE_PERSON):
        hanging.next()
    theirs = outbox.write_test(management.create(stranger, receiver.url))
    assert receiver.next().id == str(theirs.pk)
    assert hanging.received.empty()
    running.stop()
    free.set()
    running.join(20)
    hanging.close()


def test_one_webhook_gets_one_message_at_a_time(webhook: Webhook, receiver: Receiver, running: Deliverer) -> None:
    free = threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        free.wait(20)
        handler.send_response(204)
        handler.end_headers()

    receiver.replies = [hang]
    first, second = outbox.write_test(webhook), outbox.write_test(webhook)
    assert receiver.next().id == str(first.pk)
    assert not sending.due().filter(pk=first.pk).exists()
    assert sending.due().filter(pk=second.pk).exists()
    # Woken, it looks and leaves the second where it is.
    outbox.wake.set()
    wait_until(lambda: not outbox.wake.is_set(), what="another look")
    assert receiver.received.empty()
    free.set()
    assert receiver.next().id == str(second.pk)
    wait_until(lambda: set(states()) == {"delivered"}, what="both deliveries")


def test_it_survives_what_goes_wrong(
    webhook: Webhook,
    receiver: Receiver,
    running: Deliverer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = threading.Event()
    due = sending.due

    def fail_once() -> object:
        if broken.is_set():
            return due()
        broken.set()
        raise RuntimeError("the database is away")

    monkeypatch.setattr(sending, "due", fail_once)
    outbox.wake.set()
    assert broken.wait(20)
    outbox.write_test(webhook)
    receiver.next()
    wait_until(lambda: states() == ["delivered"], what="the delivery")
    assert "the database is away" in caplog.text
