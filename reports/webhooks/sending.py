"""One try to deliver a message: claim it, send it outside of any transaction, write down what came of it.

To claim is to put off its next try by a compare-and-swap; a count other than 1 means that somebody else has it. Failure
story: a worker is killed after it has sent, before it has written that down. The message is due again when the time it
was put off by is over, and the receiver gets it a second time, with the id that it has had before.
"""

import random
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import requests
from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from django.utils import translation
from requests_hardened.ip_filter import InvalidIPAddress
from urllib3.exceptions import HTTPError, ProtocolError

from accounts import metrics
from reports.models import Delivery, Webhook
from reports.webhooks import addresses, connections, management, signing, words

State = Delivery.State

# How long after a try that failed the next one comes. After the last one it is given up.
WAITS = (
    *(timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30)),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
# How long whoever sends has the message for itself: longer than any try takes, looking up the name included.
CLAIMED_FOR = timedelta(seconds=120)
GONE = 410


@dataclass(frozen=True)
class Outcome:
    """What came of a try: the answer's status, if there was an answer, and what is wrong, if anything is."""

    status: int | None = None
    error: str = ""


def due() -> QuerySet[Delivery]:
    """What is to be sent now, the longest due first."""
    return Delivery.objects.filter(
        state=State.PENDING,
        next_attempt_at__lte=Now(),
        webhook__disabled_at=None,
        webhook__owner__is_active=True,
    ).order_by("next_attempt_at")


def attempt(pk: uuid.UUID) -> bool:
    """Try to deliver, unless somebody else does; returns whether something was sent."""
    delivery = claim(pk)
    if delivery is None:
        return False
    record(delivery, post(delivery))
    return True


def claim(pk: uuid.UUID) -> Delivery | None:
    """The message, for the next two minutes nobody else's; None when it is not due, or must not be sent any more."""
    with transaction.atomic():
        # No other table in the condition: PostgreSQL asks only this one's anew when it has waited for another claim.
        claimed = Delivery.objects.filter(pk=pk, state=State.PENDING, next_attempt_at__lte=Now()).update(
            next_attempt_at=_after(CLAIMED_FOR), attempts=F("attempts") + 1, attempted_at=Now()
        )
        if not claimed:
            return None
        delivery = Delivery.objects.select_related("webhook__owner").get(pk=pk)
        webhook = delivery.webhook
        return delivery if webhook.disabled_at is None and webhook.owner.is_active else None


def post(delivery: Delivery) -> Outcome:
    """Send it and wait for the answer. Never raises: whatever the receiver does is an outcome."""
    if not addresses.has_allowed_port(delivery.webhook.url):
        return Outcome(error=words.PORT)
    secrets, body = management.valid_secrets(delivery.webhook), delivery.body
    signed = signing.headers(str(delivery.pk), body, secrets=secrets, timestamp=int(time.time()))
    headers = {"Content-Type": "application/json", "User-Agent": "Salesagg webhooks", **signed}
    began = time.monotonic()
    try:
        with connections.session() as session:
            response = session.post(
                delivery.webhook.url,
                data=body.encode(),
                headers=headers,
                timeout=(connections.CONNECT_SECONDS, connections.TOTAL_SECONDS),
                allow_redirects=False,
                # The status is all that counts; the rest is not even read.
                stream=True,
            )
            response.close()
    except Exception as error:
        return Outcome(error=words.NO_ANSWER if _too_late(began) else _reason(error))
    # Shut in the middle of the headers, an answer looks like a whole one.
    if _too_late(began):
        return Outcome(error=words.NO_ANSWER)
    with translation.override("en"):
        wrong = "" if 200 <= response.status_code < 300 else words.answered(response.status_code)
    return Outcome(response.status_code, wrong)


def record(delivery: Delivery, outcome: Outcome) -> None:
    """Write down what came of the try, unless the message is somebody else's by now."""
    given_up = outcome.status == GONE or delivery.attempts > len(WAITS)
    changes: dict[str, Any] = {"status_code": outcome.status, "error": outcome.error, "next_attempt_at": None}
    if not outcome.error:
        changes["state"] = State.DELIVERED
    elif given_up:
        changes["state"] = State.FAILED
    else:
        # Jitter, so that a receiver that comes back is not met by everything at once.
        jitter = random.uniform(0.9, 1.1)  # noqa: S311  (not for secrets)
        changes["next_attempt_at"] = _after(WAITS[delivery.attempts - 1] * jitter)
    metrics.DELIVERIES.labels("delivered" if not outcome.error else "failed" if given_up else "postponed").inc()
    mine = Delivery.objects.filter(pk=delivery.pk, state=State.PENDING, next_attempt_at=delivery.next_attempt_at)
    with transaction.atomic():
        mine.update(**changes)
        _note_health(delivery.webhook_id, failed=bool(outcome.error))
        if outcome.status == GONE:
            management.disable(delivery.webhook_id, "gone")
        elif outcome.error and given_up and _has_failed_for_days(delivery.webhook_id):
            management.disable(delivery.webhook_id, "failing")


def _note_health(webhook_id: uuid.UUID, *, failed: bool) -> None:
    """Remember since when nothing is delivered."""
    webhook = Webhook.objects.filter(pk=webhook_id)
    if failed:
        webhook.filter(failing_since=None).update(failing_since=Now())
    else:
        webhook.exclude(failing_since=None).update(failing_since=None)


def _has_failed_for_days(webhook_id: uuid.UUID) -> bool:
    # Asked only when a message is given up after three days of tries: a receiver that is away for a moment, long after
    # another failure, keeps its webhook.
    days = settings.WEBHOOK_FAILING_DAYS
    long_ago = Now() - timedelta(days=days)
    return days > 0 and Webhook.objects.filter(pk=webhook_id, failing_since__lte=long_ago).exists()


def _too_late(began: float) -> bool:
    return time.monotonic() - began >= connections.TOTAL_SECONDS


def _reason(error: Exception) -> str:
    if isinstance(error, InvalidIPAddress):
        return words.PRIVATE
    if isinstance(error, requests.ConnectTimeout):
        return words.NOT_CONNECTED
    if isinstance(error, requests.exceptions.SSLError):
        return words.BAD_CERTIFICATE
    if isinstance(error, requests.ConnectionError) and isinstance(error.args[0], ProtocolError):
        return words.BAD_ANSWER
    if isinstance(error, (requests.RequestException, HTTPError, OSError, ValueError)):
        return words.NOT_REACHED
    raise error


def _after(wait: timedelta) -> Combinable:
    return ExpressionWrapper(Now() + wait, output_field=DateTimeField())
