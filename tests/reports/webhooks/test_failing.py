"""A receiver that fails for days is not called for ever: its webhook is disabled, and the owner learns of it."""

from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.core import mail
from django.db.models.functions import Now
from django.test import Client

from accounts.models import AuditEntry
from reports.models import Delivery, Webhook
from reports.webhooks import management, notices, outbox, sending
from tests.reports.webhooks.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def emails(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks that were sent, carried out here: no worker runs beside these tests."""
    done: list[str] = []

    def carry_out(name: str, args: list[str]) -> None:
        assert name == notices.TASK
        done.append(args[0])
        notices.mail_about(args[0])

    monkeypatch.setattr(current_app, "send_task", carry_out)
    return done


@pytest.fixture(autouse=True)
def _no_earlier_emails(webhook: Webhook) -> None:
    """That of the webhook's making is another test's."""
    mail.outbox.clear()


def fail(webhook: Webhook, receiver: Receiver, *, last: bool) -> Webhook:
    """A try that fails: the message's last one, or one that others follow."""
    receiver.replies = [500]
    message = outbox.write_test(webhook)
    Delivery.objects.filter(pk=message.pk).update(attempts=len(sending.WAITS) if last else 0)
    assert sending.attempt(message.pk)
    webhook.refresh_from_db()
    return webhook


def failing_for(webhook: Webhook, **time: float) -> None:
    Webhook.objects.filter(pk=webhook.pk).update(failing_since=Now() - timedelta(**time))


def test_receiver_that_fails_for_days_is_disabled_with_an_email(webhook: Webhook, receiver: Receiver) -> None:
    assert fail(webhook, receiver, last=False).failing_since is not None
    failing_for(webhook, days=5, seconds=1)
    assert fail(webhook, receiver, last=True).disabled_at is not None
    assert webhook.disabled_because == "failing"
    [email] = mail.outbox
    assert email.to == [webhook.owner.email]
    assert receiver.url in email.body
    assert f"/account/webhooks/{webhook.pk}/" in email.body
    assert AuditEntry.objects.filter(action="webhook.changed", object_id=str(webhook.pk), via="system").exists()


@pytest.mark.parametrize(("days", "last", "allowed"), [(4.9, True, 5), (30, False, 5), (30, True, 0), (6, True, 7)])
def test_receiver_that_fails_for_a_shorter_time_stays_enabled(
    webhook: Webhook, receiver: Receiver, settings: Any, days: float, last: bool, allowed: int
) -> None:
    settings.WEBHOOK_FAILING_DAYS = allowed
    failing_for(webhook, days=days)
    assert fail(webhook, receiver, last=last).disabled_at is None
    assert mail.outbox == []


def test_one_delivery_ends_the_count(webhook: Webhook, receiver: Receiver) -> None:
    failing_for(webhook, days=30)
    assert sending.attempt(outbox.write_test(webhook).pk)
    webhook.refresh_from_db()
    assert webhook.failing_since is None


def test_two_tries_that_fail_at_once_send_one_email(webhook: Webhook, emails: list[str]) -> None:
    management.disable(webhook.pk, "failing")
    management.disable(webhook.pk, "failing")
    assert len(emails) == len(mail.outbox) == 1


def test_page_says_why_and_enables_it_with_one_click(ann: Client, webhook: Webhook, token: str) -> None:
    management.disable(webhook.pk, "failing")
    page = f"/account/webhooks/{webhook.pk}/"
    assert "nothing could be delivered for days" in ann.get(page).content.decode()
    assert "nothing could be delivered for days" in ann.get("/account/webhooks/").content.decode()
    headers = {"Authorization": f"Bearer {token}"}
    assert Client().get(f"/api/webhooks/{webhook.pk}", headers=headers).json()["disabledBecause"] == "failing"
    ann.post(f"{page}switch", {"on": "yes"})
    webhook.refresh_from_db()
    assert (webhook.disabled_at, webhook.disabled_because, webhook.failing_since) == (None, "", None)
    assert Client().get(f"/api/webhooks/{webhook.pk}", headers=headers).json()["disabledBecause"] is None


def test_receiver_that_wants_no_more_is_disabled_with_an_email(webhook: Webhook, receiver: Receiver) -> None:
    receiver.replies = [410]
    assert sending.attempt(outbox.write_test(webhook).pk)
    webhook.refresh_from_db()
    assert webhook.disabled_because == "gone"
    assert "410" in mail.outbox[0].body


def test_owner_who_was_quicker_gets_no_email(webhook: Webhook) -> None:
    management.switch(webhook, on=False)
    notices.mail_about(str(webhook.pk))
    management.switch(webhook, on=True)
    notices.mail_about(str(webhook.pk))
    assert len(mail.outbox) == 0
