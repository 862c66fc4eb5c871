"""Webhooks: where a person's programs want to be told, and what they were told."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _


class Webhook(models.Model):
    """An address that is told when a job of its owner's has completed or failed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhooks")
    url = models.URLField("address", max_length=500)
    # Kept as it is, since each message is signed with it. It is the receiver's proof, and opens nothing here.
    secret = models.CharField(max_length=100, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    disabled_at = models.DateTimeField(null=True, blank=True, help_text="Since when nothing is sent; empty: it is.")

    # During a rotation messages are signed with both, until the receiver has the new one.
    previous_secret = models.CharField(max_length=100, blank=True, default="", db_default="", editable=False)
    previous_secret_until = models.DateTimeField(null=True, editable=False)
    failing_since = models.DateTimeField(null=True, help_text="The first failed try since the last delivery.")
    disabled_because = models.CharField(
        max_length=16, blank=True, default="", db_default="", help_text="failing, gone, or empty: the owner did it."
    )

    objects: ClassVar[models.Manager["Webhook"]]

    class Meta:
        ordering = ["created_at", "pk"]

    def __str__(self) -> str:
        return self.url

    def get_absolute_url(self) -> str:
        return reverse("webhook", args=[self.pk])


class Delivery(models.Model):
    """One message to one webhook. It is written in the transaction that ends the job, so that none is forgotten.

    Its id is the message's: a receiver that gets the same id twice, because an answer was lost, does nothing twice.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        DELIVERED = "delivered", _("delivered")
        FAILED = "failed", _("failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    job_id = models.UUIDField(null=True, help_text="What it is about. The job may be gone.")
    event = models.CharField(max_length=32)
    body = models.TextField(help_text="JSON, the same at every try.")
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    attempts = models.IntegerField(default=0, help_text="Since it was written, or asked for again.")
    next_attempt_at = models.DateTimeField(
        null=True, help_text="When it is due, by the database's clock. Whoever sends it puts this off first."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    attempted_at = models.DateTimeField(null=True)
    status_code = models.IntegerField(null=True, help_text="Of the latest answer; empty when there was none.")
    error = models.CharField(max_length=500, blank=True, help_text="Why the latest try failed, in plain words.")

    objects: ClassVar[models.Manager["Delivery"]]

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ["-created_at", "-pk"]
        indexes = [
            # What is due.
            models.Index(fields=["next_attempt_at"], condition=Q(state="pending"), name="delivery_due"),
            # A webhook's log, newest first.
            models.Index(fields=["webhook", "-created_at", "-id"], name="delivery_log"),
            # What is old enough to be forgotten.
            models.Index(fields=["created_at"], name="delivery_age"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook_id}"
