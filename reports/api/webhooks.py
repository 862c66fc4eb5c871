"""Webhooks: made, changed, tested, and their logs."""

import uuid
from datetime import datetime
from typing import Any, Literal, cast

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router
from pydantic import Field

from accounts import reauthentication
from accounts.api.auth import user_of
from accounts.api.once import create
from accounts.api.paging import Asked, Page, page_of
from accounts.api.schemas import IDEMPOTENT, In, Out, problems
from accounts.ownership import load_owned
from reports import models
from reports.webhooks import addresses, management, words

router = Router(tags=["Webhooks"], by_alias=True)
_URL = "Where to send messages: https:// or http://, a public address, without name and password."


State = Literal["pending", "delivered", "failed"]
Reason = Literal["owner", "failing", "gone"]


class NewWebhook(In):
    url: str = Field(max_length=addresses.MAX_LENGTH, description=_URL)


class WebhookChange(In):
    url: str | None = Field(default=None, max_length=addresses.MAX_LENGTH, description=_URL)
    enabled: bool | None = Field(default=None, description="Whether anything is sent.")


class Webhook(Out):
    """An address that is told when a job has completed or failed."""

    id: uuid.UUID
    url: str
    enabled: bool = Field(
        description="Whether anything is sent. Off also after the receiver has answered 410, or has failed for days."
    )
    created_at: datetime
    disabled_at: datetime | None = Field(description="Since when nothing is sent; null while it is.")
    disabled_because: Reason | None = Field(
        description="`failing`: nothing could be delivered for days. `gone`: the receiver answered 410. `owner`: you "
        "or an operator did it. null while it is enabled."
    )
    previous_secret_until: datetime | None = Field(
        description="Until when messages are also signed with the secret before the present one; null: they are not."
    )


class WebhookAndSecret(Webhook):
    """A webhook as it is shown to whoever has just made it, or its secret."""

    secret: str = Field(description="With it the receiver verifies signatures. Shown here and on the webhook's page.")


class Delivery(Out):
    """A message, and how its delivery goes."""

    id: uuid.UUID = Field(description="The header `webhook-id`, the same at every try.")
    webhook_id: uuid.UUID
    event: str = Field(description="`job.completed`, `job.failed` or `test`.")
    job_id: uuid.UUID | None = Field(description="The job that it is about, which may be gone; null for a test.")
    state: State = Field(description="`failed` when it was given up.")
    attempts: int = Field(description="Since it was written, or asked for again.")
    next_attempt_at: datetime | None = Field(description="null when nothing more will be tried.")
    created_at: datetime
    attempted_at: datetime | None = Field(description="When it was tried last.")
    status_code: int | None = Field(description="Of the latest answer; null when there was none.")
    error: str | None = Field(description="Why the latest try failed.")
    body: str = Field(description="JSON, exactly as it is signed and sent.")


@router.get("", response={200: Page[Webhook], **problems(400)}, operation_id="listWebhooks", summary="List webhooks")
def list_webhooks(request: HttpRequest, asked: Asked) -> Page[Webhook]:
    """Newest first."""
    webhooks, cursor = page_of(models.Webhook.objects.filter(owner=user_of(request)), asked)
    return Page(items=[_webhook(webhook) for webhook in webhooks], next=cursor)


@router.post(
    "",
    response={201: WebhookAndSecret, **problems(400, 403, 409)},
    operation_id="createWebhook",
    summary="Create a webhook",
    openapi_extra=IDEMPOTENT,
)
def create_webhook(request: HttpRequest, asked: NewWebhook) -> HttpResponse:
    """From now on the address is told when a job of yours has completed or failed. At most ten; each address once.

    With a session, the person must have authenticated recently; a token needs the scope `write`."""
    reauthentication.require_recent(request)
    # Looks up a name, for which no transaction should wait.
    addresses.check(asked.url)
    return create(
        request,
        lambda: _with_secret(management.create(user_of(request), asked.url)),
        location=lambda made: reverse("api:webhook", args=[made.id]),
    )


@router.get(
    "/{uuid:webhook_id}",
    response={200: Webhook, **problems(404)},
    url_name="webhook",
    operation_id="getWebhook",
    summary="Look at a webhook",
)
def get_webhook(request: HttpRequest, webhook_id: uuid.UUID) -> Webhook:
    return _webhook(_load(request, webhook_id))


@router.patch(
    "/{uuid:webhook_id}",
    response={200: Webhook, **problems(400, 403, 404, 409)},
    operation_id="changeWebhook",
    summary="Change a webhook",
)
def change_webhook(request: HttpRequest, webhook_id: uuid.UUID, asked: WebhookChange) -> Webhook:
    """Another address, or switched on or off. What is left out stays as it is."""
    webhook = _load(request, webhook_id)
    if asked.url is not None:
        # Another address is as good as a webhook of one's own.
        reauthentication.require_recent(request)
        addresses.check(asked.url)
        management.move(webhook, asked.url)
    if asked.enabled is not None:
        management.switch(webhook, on=asked.enabled)
    return _webhook(webhook)


@router.delete(
    "/{uuid:webhook_id}",
    response={204: None, **problems(404)},
    operation_id="deleteWebhook",
    summary="Delete a webhook",
)
def delete_webhook(request: HttpRequest, webhook_id: uuid.UUID) -> HttpResponse:
    """With its log, and with what is still to be sent."""
    management.remove(_load(request, webhook_id))
    return HttpResponse(status=204)


@router.post(
    "/{uuid:webhook_id}/secret",
    response={200: WebhookAndSecret, **problems(403, 404)},
    operation_id="renewWebhookSecret",
    summary="Renew a webhook's secret",
)
def renew_secret(request: HttpRequest, webhook_id: uuid.UUID) -> WebhookAndSecret:
    """Whatever is sent from now on is signed with the new one alone: for a secret that another person may know. To
    change it without a message refused, use `rotate-secret`.

    With a session, the person must have authenticated recently; a token needs the scope `write`."""
    webhook = _load(request, webhook_id)
    reauthentication.require_recent(request)
    management.renew_secret(webhook)
    return _with_secret(webhook)


@router.post(
    "/{uuid:webhook_id}/rotate-secret",
    response={200: WebhookAndSecret, **problems(403, 404)},
    operation_id="rotateWebhookSecret",
    summary="Rotate a webhook's secret",
)
def rotate_secret(request: HttpRequest, webhook_id: uuid.UUID) -> WebhookAndSecret:
    """Whatever is sent from now on is signed with the new secret and, for 24 hours, with the present one too: two
    signatures with a space between them. Bring the new secret to the receiver within that time.

    With a session, the person must have authenticated recently; a token needs the scope `write`."""
    webhook = _load(request, webhook_id)
    reauthentication.require_recent(request)
    management.rotate_secret(webhook)
    return _with_secret(webhook)


@router.post(
    "/{uuid:webhook_id}/test",
    response={201: Delivery, **problems(404, 409)},
    operation_id="testWebhook",
    summary="Send a test",
    openapi_extra=IDEMPOTENT,
)
def send_test(request: HttpRequest, webhook_id: uuid.UUID) -> HttpResponse:
    """A message of the type `test`, within a second or two; one at a time."""
    webhook = _load(request, webhook_id)
    return create(request, lambda: _delivery(management.send_test(webhook)))


@router.get(
    "/{uuid:webhook_id}/deliveries",
    response={200: Page[Delivery], **problems(400, 404)},
    operation_id="listDeliveries",
    summary="List what was sent",
)
def list_deliveries(request: HttpRequest, webhook_id: uuid.UUID, asked: Asked) -> Page[Delivery]:
    """Newest first, for 30 days."""
    deliveries, cursor = page_of(_load(request, webhook_id).deliveries.all(), asked)
    return Page(items=[_delivery(delivery) for delivery in deliveries], next=cursor)


@router.post(
    "/{uuid:webhook_id}/deliveries/{uuid:delivery_id}/redeliver",
    response={200: Delivery, **problems(404, 409)},
    operation_id="redeliver",
    summary="Send a message again",
)
def redeliver(request: HttpRequest, webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> Delivery:
    """The same message with the same id, tried as often as a new one."""
    return _delivery(management.send_again(_load_delivery(request, webhook_id, delivery_id)))


def _load(request: HttpRequest, webhook_id: uuid.UUID) -> models.Webhook:
    return load_owned(models.Webhook.objects.all(), owner=user_of(request), pk=webhook_id)


def _load_delivery(request: HttpRequest, webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> models.Delivery:
    deliveries = models.Delivery.objects.select_related("webhook")
    return load_owned(deliveries, owner=user_of(request), by="webhook__owner", webhook=webhook_id, pk=delivery_id)


def _webhook(webhook: models.Webhook) -> Webhook:
    return Webhook(**_fields(webhook))


def _with_secret(webhook: models.Webhook) -> WebhookAndSecret:
    return WebhookAndSecret(**_fields(webhook), secret=webhook.secret)


def _fields(webhook: models.Webhook) -> dict[str, Any]:
    return {
        "id": webhook.pk,
        "url": webhook.url,
        "enabled": webhook.disabled_at is None,
        "created_at": webhook.created_at,
        "disabled_at": webhook.disabled_at,
        "disabled_because": (webhook.disabled_because or "owner") if webhook.disabled_at else None,
        "previous_secret_until": webhook.previous_secret_until,
    }


def _delivery(delivery: models.Delivery) -> Delivery:
    return Delivery(
        id=delivery.pk,
        webhook_id=delivery.webhook_id,
        event=delivery.event,
        job_id=delivery.job_id,
        state=cast(State, delivery.state),
        attempts=delivery.attempts,
        next_attempt_at=delivery.next_attempt_at,
        created_at=delivery.created_at,
        attempted_at=delivery.attempted_at,
        status_code=delivery.status_code,
        error=words.error(delivery) or None,
        body=delivery.body,
    )
