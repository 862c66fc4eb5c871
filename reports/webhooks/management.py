"""What people do with their webhooks, by the page, the API and the admin."""

import uuid
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit, notices
from accounts.acts import Act
from accounts.errors import Refusal, not_found
from accounts.models import User
from accounts.ownership import hold_owner
from reports.models import Delivery, Webhook
from reports.webhooks import outbox, signing
from reports.webhooks.notices import send as email_about_disabling

# More than anybody has receivers; each costs a message with every job.
MAX_WEBHOOKS = 10
# How long the log goes back.
KEPT = timedelta(days=30)
# How long a rotated secret still signs: a working day to bring the new one to the receiver.
ROTATION = timedelta(hours=24)


def create(owner: User, url: str) -> Webhook:
    """A new webhook to an address that was checked (`addresses.check`). Raises `Refusal` (409)."""
    with transaction.atomic():
        # Two that are made at once must not both be the last, and none is made for an account that is being deleted.
        if not hold_owner(owner.pk).is_active:
            raise not_found("user")
        _check_new(Webhook.objects.filter(owner=owner), url)
        if Webhook.objects.filter(owner=owner).count() >= MAX_WEBHOOKS:
            message = _("You have %(count)s webhooks, and more are not possible. Delete one that you do not need.")
            raise Refusal("too_many_webhooks", message % {"count": MAX_WEBHOOKS}, status=409)
        webhook = Webhook.objects.create(owner=owner, url=url, secret=signing.new_secret())
        _record(Act.WEBHOOK_MADE, webhook)
        notices.send(owner, Act.WEBHOOK_MADE)
    return webhook


def move(webhook: Webhook, url: str) -> None:
    """Send to another address, which was checked, also what is still to be sent. Raises `Refusal` (409)."""
    with transaction.atomic():
        hold_owner(webhook.owner_id)
        _check_new(Webhook.objects.filter(owner=webhook.owner_id).exclude(pk=webhook.pk), url)
        Webhook.objects.filter(pk=webhook.pk).update(url=url)
        webhook.url = url
        _record(Act.WEBHOOK_CHANGED, webhook)


def renew_secret(webhook: Webhook) -> None:
    """Sign with a new secret alone from now on: for a secret that another person may know."""
    _change_secret(webhook, previous_secret="", previous_secret_until=None)  # nosec B106


def rotate_secret(webhook: Webhook) -> None:
    """Sign with a new secret from now on, and for a while with the present one too, so that no message is refused."""
    # As the database has it: of two rotations at once the second follows the first.
    _change_secret(webhook, previous_secret=F("secret"), previous_secret_until=timezone.now() + ROTATION)


def valid_secrets(webhook: Webhook) -> list[str]:
    """What a message that is sent now is signed with, the newest secret first."""
    until = webhook.previous_secret_until
    return [webhook.secret, *([webhook.previous_secret] if until is not None and until > timezone.now() else [])]


def _change_secret(webhook: Webhook, **previous: Any) -> None:
    with transaction.atomic():
        if not Webhook.objects.filter(pk=webhook.pk).update(secret=signing.new_secret(), **previous):
            raise not_found("webhook")
        _record(Act.WEBHOOK_SECRET_RENEWED, webhook)
        notices.send(webhook.owner, Act.WEBHOOK_SECRET_RENEWED)
    webhook.refresh_from_db(fields=["secret", "previous_secret", "previous_secret_until"])


def note_secret_shown(webhook: Webhook) -> None:
    """Record that the secret was shown to somebody with the owner's session, and tell the owner."""
    with transaction.atomic():
        _record(Act.WEBHOOK_SECRET_SHOWN, webhook)
        notices.send(webhook.owner, Act.WEBHOOK_SECRET_SHOWN)


def switch(webhook: Webhook, *, on: bool) -> None:
    """Send, or send nothing. What is still to be sent waits, and ends of jobs meanwhile are not noted."""
    with transaction.atomic():
        if on:
            Webhook.objects.filter(pk=webhook.pk).update(disabled_at=None, disabled_because="", failing_since=None)
            outbox.wake_on_commit()
        else:
            Webhook.objects.filter(pk=webhook.pk, disabled_at=None).update(disabled_at=Now())
        _record(Act.WEBHOOK_CHANGED, webhook)
    webhook.refresh_from_db(fields=["disabled_at", "disabled_because", "failing_since"])


def disable(webhook_id: uuid.UUID, because: str) -> None:
    """Send nothing more, since the receiver does not take it; the owner is told by email, once."""
    with transaction.atomic():
        enabled = Webhook.objects.filter(pk=webhook_id, disabled_at=None)
        if enabled.update(disabled_at=Now(), disabled_because=because):
            _record(Act.WEBHOOK_CHANGED, Webhook.objects.get(pk=webhook_id))
            transaction.on_commit(partial(email_about_disabling, webhook_id))


def remove(webhook: Webhook) -> None:
    """Delete the webhook and its log."""
    with transaction.atomic():
        # Held first, so that no message is written for it meanwhile.
        held = Webhook.objects.select_for_update().filter(pk=webhook.pk).first()
        if held is not None:
            _record(Act.WEBHOOK_DELETED, held)
            held.delete()


def send_test(webhook: Webhook) -> Delivery:
    """Send a message that is about nothing. Raises `Refusal` (409)."""
    _check_on(webhook)
    with transaction.atomic():
        Webhook.objects.select_for_update().filter(pk=webhook.pk).first()
        if webhook.deliveries.filter(event=outbox.TEST, state=Delivery.State.PENDING).exists():
            message = _("A test is on its way already. Look in the log how it goes.")
            raise Refusal("test_pending", message, status=409)
        return _fresh(outbox.write_test(webhook).pk)


def send_again(delivery: Delivery) -> Delivery:
    """Send a message again, the same with the same id, as often as a new one. Raises `Refusal` (409)."""
    _check_on(delivery.webhook)
    Delivery.objects.filter(pk=delivery.pk).update(
        state=Delivery.State.PENDING, attempts=0, next_attempt_at=Now(), status_code=None, error=""
    )
    outbox.wake_on_commit()
    return _fresh(delivery.pk)


def remove_old() -> None:
    """For the sweep: delete old messages, and secrets whose rotation is over."""
    Delivery.objects.filter(created_at__lt=Now() - KEPT).delete()
    over = Webhook.objects.filter(previous_secret_until__lt=Now())
    over.update(previous_secret="", previous_secret_until=None)  # nosec B106


def _check_on(webhook: Webhook) -> None:
    if webhook.disabled_at is not None:
        raise Refusal("webhook_disabled", _("The webhook is switched off. Switch it on first."), status=409)


def _check_new(others: QuerySet[Webhook], url: str) -> None:
    """Two webhooks to one address would tell it everything twice, with two ids."""
    if others.filter(url=url).exists():
        raise Refusal("webhook_exists", _("You have a webhook to this address already."), status=409)


def _fresh(pk: uuid.UUID) -> Delivery:
    return Delivery.objects.select_related("webhook").get(pk=pk)


def _record(act: Act, webhook: Webhook) -> None:
    # Its machine alone: the rest of the address may be a secret of the receiver's.
    audit.record(act, webhook, account=webhook.owner_id, label=urlsplit(webhook.url).hostname or "")
