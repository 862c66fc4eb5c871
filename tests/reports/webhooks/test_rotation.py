"""A secret is replaced without a message refused: for a day the old one and the new one both sign."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from reports.models import Delivery, Webhook
from reports.webhooks import management, outbox, sending
from tests.reports.webhooks.receiver import Received, Receiver

pytestmark = pytest.mark.django_db(transaction=True)


def sent(webhook: Webhook, receiver: Receiver) -> Received:
    # Each receiver below verifies by itself.
    receiver.secret = ""
    assert sending.attempt(outbox.write_test(webhook).pk)
    return receiver.next()


def accepts(secret: str, message: Received) -> bool:
    try:
        Verifier(secret).verify(message.body, dict(message.headers))
    except WebhookVerificationError:
        return False
    return True


def rotate(webhook: Webhook, token: str) -> Any:
    path = f"/api/webhooks/{webhook.pk}/rotate-secret"
    return Client().post(path, headers={"Authorization": f"Bearer {token}"})


def test_receiver_with_either_secret_accepts_messages_during_rotation(
    webhook: Webhook, receiver: Receiver, token: str
) -> None:
    old = webhook.secret
    told = rotate(webhook, token).json()
    assert told["secret"] != old
    assert told["previousSecretUntil"] is not None
    message = sent(webhook, receiver)
    assert message.headers["webhook-signature"].count("v1,") == 2
    assert accepts(told["secret"], message)
    assert accepts(old, message)


def test_old_secret_stops_signing_when_the_rotation_is_over(webhook: Webhook, receiver: Receiver, token: str) -> None:
    old = webhook.secret
    new = rotate(webhook, token).json()["secret"]
    Webhook.objects.update(previous_secret_until=Now() - timedelta(seconds=1))
    message = sent(webhook, receiver)
    assert (accepts(new, message), accepts(old, message)) == (True, False)
    management.remove_old()
    webhook.refresh_from_db()
    assert (webhook.previous_secret, webhook.previous_secret_until, webhook.secret) == ("", None, new)


def test_replaced_secret_signs_nothing_more(webhook: Webhook, receiver: Receiver, token: str) -> None:
    leaked = rotate(webhook, token).json()["secret"]
    webhook.refresh_from_db()
    management.renew_secret(webhook)
    message = sent(webhook, receiver)
    assert accepts(webhook.secret, message)
    assert not accepts(leaked, message)


def test_page_offers_both_ways_to_change_the_secret(ann: Client, webhook: Webhook) -> None:
    page, old = f"/account/webhooks/{webhook.pk}/", webhook.secret
    assert "For 24 hours" in ann.get(f"{page}secret").content.decode()
    shown = ann.post(f"{page}secret", {"how": "rotate"}, follow=True).content.decode()
    webhook.refresh_from_db()
    assert webhook.secret in shown
    assert "also signed with the secret before this one" in shown
    assert old not in shown
    assert webhook.previous_secret == old
    shown = ann.post(f"{page}secret", {"how": "replace"}, follow=True).content.decode()
    webhook.refresh_from_db()
    assert "also signed" not in shown
    assert webhook.previous_secret == ""


def test_message_that_was_on_its_way_is_signed_with_both(message: Delivery, receiver: Receiver, token: str) -> None:
    webhook, old = message.webhook, message.webhook.secret
    receiver.secret = ""
    new = rotate(webhook, token).json()["secret"]
    assert sending.attempt(message.pk)
    received = receiver.next()
    assert accepts(old, received)
    assert accepts(new, received)
