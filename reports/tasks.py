"""What the workers do, as Celery sees it."""

from celery import shared_task

from reports import notifications, runner
from reports.webhooks import notices


@shared_task
def claim_next() -> None:
    """Look for work and do all there is. The message carries nothing: the database says what is to do."""
    runner.run_all()


@shared_task
def mail_about(job_id: str) -> None:
    """Mail a job's owner how it ended."""
    notifications.mail_about(job_id)


@shared_task
def mail_about_webhook(webhook_id: str) -> None:
    """Email a webhook's owner that it was disabled."""
    notices.mail_about(webhook_id)
