"""Webhooks in the admin: watched without their secrets, and acted upon by whoever may."""

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from reports.models import Delivery, Webhook
from reports.webhooks import management, sending
from tests.conftest import MakeUser
from tests.reports.webhooks.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)
HOOKS, MESSAGES = "/admin/reports/webhook/", "/admin/reports/delivery/"


@pytest.fixture
def viewer(make_user: MakeUser, client_of: Callable[[User], Client]) -> Client:
    """The browser of a staff member who may only look."""
    staff = make_user("viewer@example.org", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=["view_webhook", "view_delivery"]))
    return client_of(staff)


def act(client: Client, path: str, action: str, chosen: Webhook | Delivery) -> str:
    form = {"action": action, "_selected_action": [str(chosen.pk)]}
    return client.post(path, form, follow=True).content.decode()


def test_they_are_listed_found_and_shown_without_the_secret(
    admin: Client, webhook: Webhook, receiver: Receiver, message: Delivery
) -> None:
    receiver.replies = [500]
    sending.attempt(message.pk)
    pages = [
        HOOKS,
        f"{HOOKS}?q=ann",
        f"{HOOKS}{webhook.pk}/change/",
        f"{HOOKS}?disabled_at__isempty=1",
        MESSAGES,
        f"{MESSAGES}?q=ann",
        f"{MESSAGES}{message.pk}/change/",
        f"{MESSAGES}?state__exact=pending",
    ]
    for path in pages:
        page = admin.get(path).content.decode()
        assert webhook.url in page, path
        assert webhook.secret not in page
        if path.startswith(MESSAGES):
            assert "The receiver answered 500." in page
    assert "0 deliveries" in admin.get(f"{MESSAGES}?state__exact=delivered").content.decode()


def test_they_are_switched_off_and_on(admin: Client, webhook: Webhook) -> None:
    assert "is switched off." in act(admin, HOOKS, "switch_off", webhook)
    assert not Webhook.objects.filter(disabled_at=None).exists()
    assert "is switched on." in act(admin, HOOKS, "switch_on", webhook)
    assert Webhook.objects.filter(disabled_at=None).exists()
    assert LogEntry.objects.count() == 2


def test_messages_are_sent_again(admin: Client, webhook: Webhook, message: Delivery, receiver: Receiver) -> None:
    sending.attempt(message.pk)
    assert "1 message is sent again." in act(admin, MESSAGES, "send_again", message)
    assert sending.attempt(message.pk)
    assert receiver.next().id == receiver.next().id
    management.switch(webhook, on=False)
    assert "is switched off" in act(admin, MESSAGES, "send_again", message)
    assert LogEntry.objects.count() == 1


def test_who_may_only_look_can_do_nothing(viewer: Client, webhook: Webhook, message: Delivery) -> None:
    sending.attempt(message.pk)
    assert webhook.url in viewer.get(HOOKS).content.decode()
    act(viewer, HOOKS, "switch_off", webhook)
    act(viewer, MESSAGES, "send_again", message)
    webhook.refresh_from_db()
    message.refresh_from_db()
    assert (webhook.disabled_at, message.state) == (None, "delivered")


def test_nobody_writes_or_deletes_them_by_hand(admin: Client, webhook: Webhook, message: Delivery) -> None:
    for path, chosen in ((HOOKS, webhook), (MESSAGES, message)):
        assert admin.get(f"{path}add/").status_code == 403
        assert admin.post(f"{path}{chosen.pk}/change/", {"url": "http://127.0.0.1:9/"}).status_code == 403
        assert admin.post(f"{path}{chosen.pk}/delete/", {"post": "yes"}).status_code == 403
        act(admin, path, "delete_selected", chosen)
    assert (Webhook.objects.count(), Delivery.objects.count()) == (1, 1)


def test_who_has_no_permission_sees_none(clerk: Client, webhook: Webhook, message: Delivery) -> None:
    for path in (HOOKS, MESSAGES, f"{HOOKS}{webhook.pk}/change/", f"{MESSAGES}{message.pk}/change/"):
        assert clerk.get(path).status_code == 403
