"""Webhooks on the account's pages."""

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from reports.models import Delivery, Webhook
from reports.views import webhooks as views
from reports.webhooks import management, outbox, sending
from tests.reports.webhooks.conftest import make_due
from tests.reports.webhooks.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/account/webhooks/"


@pytest.fixture
def bob(stranger: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(stranger)


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def test_a_webhook_is_added_and_its_secret_shown(ann: Client, user: User, receiver: Receiver) -> None:
    assert "You have no webhooks yet." in text(ann.get(PAGE))
    response = ann.post(PAGE, {"url": receiver.url}, follow=True)
    webhook = user.webhooks.get()
    assert webhook.url == receiver.url
    page = text(response)
    assert "The webhook is ready." in page
    assert webhook.secret in page
    assert "Nothing has been sent yet." in page
    later = ann.get(f"{PAGE}{webhook.pk}/")
    assert webhook.secret not in text(later)
    assert "no-store" in later["Cache-Control"]
    listed = text(ann.get(PAGE))
    assert receiver.url in listed
    assert webhook.secret not in listed


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "This field is required."),
        ("example.org", "https:// or http://"),
        ("http://user:secret@93.184.215.14/", "Leave name and password out"),
        ("http://169.254.169.254/latest", "not a public one"),
        ("http://93.184.215.14/\0", "Null characters are not allowed."),
        (f"http://93.184.215.14/{'x' * 500}", "at most 500 characters"),
    ],
)
def test_an_address_that_cannot_be_is_refused_beside_the_field(ann: Client, settings: Any, url: str, said: str) -> None:
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = False
    page = text(ann.post(PAGE, {"url": url}))
    assert said in page
    assert 'class="field-error"' in page
    assert not Webhook.objects.exists()


def test_there_is_a_limit(ann: Client, user: User, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    response = ann.post(PAGE, {"url": webhook.url})
    assert response.status_code == 409
    assert "You have a webhook to this address already." in text(response)
    monkeypatch.setattr(management, "MAX_WEBHOOKS", 1)
    assert "as many webhooks as possible" in text(ann.get(PAGE))
    response = ann.post(PAGE, {"url": "http://127.0.0.1:9/another"})
    assert response.status_code == 409
    assert "more are not possible" in text(response)


def test_a_test_is_sent_and_the_log_tells_of_it(ann: Client, webhook: Webhook, receiver: Receiver) -> None:
    receiver.replies = [500, 410]
    page = text(ann.post(f"{PAGE}{webhook.pk}/test", follow=True))
    assert "A test is on its way." in page
    message = Delivery.objects.get()
    assert 'data-version="pending 0 None "' in page
    sending.attempt(message.pk)
    log = text(ann.get(f"{PAGE}{webhook.pk}/log"))
    assert "Will be tried again" in log
    assert "The receiver answered 500." in log
    assert "Next try" in log
    assert "<html" not in log
    refused = ann.post(f"{PAGE}{webhook.pk}/test", headers={"Accept": "text/html"})
    assert refused.status_code == 409
    assert "A test is on its way already." in text(refused)
    make_due()
    sending.attempt(message.pk)
    page = text(ann.get(f"{PAGE}{webhook.pk}/"))
    assert "Given up" in page
    assert "The receiver answered 410" in page
    assert "Switched off" in page
    assert "Send again" not in page
    assert "Given up" in text(ann.get(PAGE))


def test_reasons_are_in_the_readers_language(ann: Client, webhook: Webhook, receiver: Receiver) -> None:
    message = outbox.write_test(webhook)
    receiver.replies = [503]
    sending.attempt(message.pk)
    page = text(ann.get(f"{PAGE}{webhook.pk}/", headers={"Accept-Language": "de"}))
    assert "503" in page


def test_a_message_is_sent_again(ann: Client, webhook: Webhook, receiver: Receiver, message: Delivery) -> None:
    sending.attempt(message.pk)
    assert "Delivered" in text(ann.get(f"{PAGE}{webhook.pk}/"))
    page = text(ann.post(f"{PAGE}{webhook.pk}/{message.pk}/again", follow=True))
    assert "The message is on its way again." in page
    sending.attempt(message.pk)
    assert receiver.next().id == receiver.next().id


def test_the_log_comes_a_page_at_a_time(ann: Client, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PER_PAGE", 2)
    messages = [str(outbox.write_test(webhook).pk) for _ in range(3)]
    page = text(ann.get(f"{PAGE}{webhook.pk}/"))
    assert re.findall(r'id="delivery-([\w-]+)"', page) == [messages[2], messages[1]]
    older = re.search(r'href="[^"]*(\?cursor=[^"]+)"', page)
    assert older
    page = text(ann.get(f"{PAGE}{webhook.pk}/{older[1]}"))
    assert re.findall(r'id="delivery-([\w-]+)"', page) == [messages[0]]
    assert "Newest" in page
    assert ann.get(f"{PAGE}{webhook.pk}/?cursor=nonsense").status_code == 400


def test_it_is_switched_off_and_on(ann: Client, webhook: Webhook) -> None:
    page = text(ann.post(f"{PAGE}{webhook.pk}/switch", {"on": "no"}, follow=True))
    assert "The webhook is switched off." in page
    assert "Nothing is sent" in page
    webhook.refresh_from_db()
    assert webhook.disabled_at is not None
    assert "The webhook is switched on." in text(ann.post(f"{PAGE}{webhook.pk}/switch", {"on": "yes"}, follow=True))
    webhook.refresh_from_db()
    assert webhook.disabled_at is None


def test_secret_and_webhook_are_renewed_and_deleted_after_a_question(ann: Client, webhook: Webhook) -> None:
    before = webhook.secret
    assert "Renew the secret?" in text(ann.get(f"{PAGE}{webhook.pk}/secret"))
    webhook.refresh_from_db()
    assert webhook.secret == before
    page = text(ann.post(f"{PAGE}{webhook.pk}/secret", follow=True))
    webhook.refresh_from_db()
    assert webhook.secret != before
    assert webhook.secret in page
    assert "Delete the webhook?" in text(ann.get(f"{PAGE}{webhook.pk}/delete"))
    assert Webhook.objects.exists()
    assert "The webhook has been deleted." in text(ann.post(f"{PAGE}{webhook.pk}/delete", follow=True))
    assert not Webhook.objects.exists()


def test_somebody_elses_looks_like_none(ann: Client, bob: Client, webhook: Webhook, message: Delivery) -> None:
    assert webhook.url not in text(bob.get(PAGE))
    for pk in (webhook.pk, uuid.uuid4()):
        for path in ("", "log", "secret", "delete"):
            assert bob.get(f"{PAGE}{pk}/{path}").status_code == 404
        for path in ("test", "switch", "secret", "delete", f"{message.pk}/again"):
            assert bob.post(f"{PAGE}{pk}/{path}").status_code == 404
    webhook.refresh_from_db()
    assert webhook.disabled_at is None


def test_who_has_not_logged_in_is_asked_to_and_changes_need_a_post(
    client: Client, ann: Client, webhook: Webhook, message: Delivery
) -> None:
    for path in ("", f"{webhook.pk}/", f"{webhook.pk}/log", f"{webhook.pk}/delete"):
        assert "/accounts/login/" in client.get(f"{PAGE}{path}")["Location"]
    for path in ("test", "switch", f"{message.pk}/again"):
        assert "/accounts/login/" in client.post(f"{PAGE}{webhook.pk}/{path}")["Location"]
        assert ann.get(f"{PAGE}{webhook.pk}/{path}").status_code == 405
    assert ann.put(PAGE).status_code == 405


def test_what_receivers_and_files_are_called_is_text_and_never_markup(ann: Client, user: User) -> None:
    made = management.create(user, "http://127.0.0.1:9/<img src=x>")
    outbox.write_test(made)
    for path in (PAGE, f"{PAGE}{made.pk}/", f"{PAGE}{made.pk}/delete"):
        assert "<img src=x>" not in text(ann.get(path))
