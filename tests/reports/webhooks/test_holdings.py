"""What is kept of webhooks: in an export, with the account, and for how long."""

import io
import json
import threading
import zipfile
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from accounts import deletion
from accounts.errors import Refusal
from accounts.export import archive
from accounts.models import User
from reports import holdings
from reports.models import Delivery, Webhook
from reports.sweeper import sweep
from reports.webhooks import management, outbox
from tests.reports.webhooks.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_export_has_webhooks_and_their_log_without_the_secrets(
    user: User, stranger: User, webhook: Webhook, message: Delivery
) -> None:
    management.create(stranger, "http://127.0.0.1:9/theirs")
    with zipfile.ZipFile(io.BytesIO(b"".join(archive(user)))) as packed:
        content = packed.read("webhooks.json").decode()
    [told] = json.loads(content)
    assert (told["url"], told["disabled_at"]) == (webhook.url, None)
    assert [(sent["id"], sent["event"], sent["body"]) for sent in told["deliveries"]] == [
        (str(message.pk), "test", message.body)
    ]
    assert webhook.secret not in content


def test_deleting_an_account_tells_of_webhooks_and_deletes_them(
    user: User, stranger: User, webhook: Webhook, message: Delivery
) -> None:
    theirs = management.create(stranger, webhook.url)
    assert [(loss.label, loss.count) for loss in holdings.losses(user)] == [("Webhooks with their logs", 1)]
    assert deletion.delete(user)
    assert list(Webhook.objects.all()) == [theirs]
    assert not Delivery.objects.exists()
    with pytest.raises(Refusal):
        management.create(user, webhook.url)


def test_messages_are_forgotten_after_thirty_days(webhook: Webhook, message: Delivery) -> None:
    kept = outbox.write_test(webhook)
    Delivery.objects.filter(pk=message.pk).update(created_at=Now() - timedelta(days=30, minutes=1))
    Delivery.objects.filter(pk=kept.pk).update(created_at=Now() - timedelta(days=29))
    sweep()
    assert list(Delivery.objects.all()) == [kept]


def test_of_two_that_are_made_at_once_one_is_the_last(
    user: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(management, "MAX_WEBHOOKS", 1)
    start, made = threading.Barrier(2), list[str]()

    def race(path: str) -> None:
        start.wait(10)
        try:
            management.create(user, receiver.url + path)
            made.append(path)
        except Refusal as refusal:
            assert refusal.code == "too_many_webhooks"
        connection.close()

    threads = [threading.Thread(target=race, args=[path]) for path in ("/one", "/two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(made) == 1
    assert Webhook.objects.count() == 1
