"""A receiver, and webhooks that may reach it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from accounts.models import User
from reports.models import Delivery, Webhook
from reports.webhooks import management, outbox
from tests.reports.webhooks.receiver import Receiver

MakeWebhook = Callable[..., Webhook]


@pytest.fixture(autouse=True)
def _receivers_are_here(settings: Any) -> None:
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = True


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    started = Receiver()
    yield started
    started.close()


@pytest.fixture
def webhook(user: User, receiver: Receiver) -> Webhook:
    """The user's, to `receiver`, which knows its secret."""
    made = management.create(user, receiver.url)
    receiver.secret = made.secret
    return made


@pytest.fixture
def message(webhook: Webhook) -> Delivery:
    """A test message that is due."""
    return outbox.write_test(webhook)


def make_due(*, ago: float = 1) -> None:
    """As if the time until the next try had passed."""
    Delivery.objects.filter(state="pending").update(next_attempt_at=Now() - timedelta(seconds=ago))
