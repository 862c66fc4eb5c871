"""Emails to the owner of a webhook that was disabled because its receiver does not take messages."""

import logging
import uuid

from celery import current_app
from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.utils import translation
from kombu.exceptions import OperationalError

from accounts import metrics
from reports.models import Webhook

logger = logging.getLogger(__name__)

TASK = "reports.tasks.mail_about_webhook"


def send(webhook_id: uuid.UUID) -> None:
    """Send the email by a task, since a mail server may hang. Never raises: the webhook is disabled in any case."""
    try:
        current_app.send_task(TASK, args=[str(webhook_id)])
    except (OperationalError, OSError) as error:
        logger.warning("no email about webhook %s: %s", webhook_id, error)


def mail_about(webhook_id: str) -> None:
    """Email the owner, in their language, unless the webhook is enabled again."""
    webhook = Webhook.objects.select_related("owner").filter(pk=webhook_id).first()
    if webhook is None or webhook.disabled_at is None or not webhook.disabled_because:
        return
    with translation.override(webhook.owner.language or settings.LANGUAGE_CODE):
        context = {"webhook": webhook, "page": settings.SITE_URL + webhook.get_absolute_url()}
        subject = " ".join(render_to_string("reports/mail/webhook_disabled_subject.txt", context).split())
        text = render_to_string("reports/mail/webhook_disabled.txt", context)
        try:
            send_mail(subject, text, None, [webhook.owner.email])
        except OSError:
            metrics.FAILURES.labels("mail").inc()
            raise
