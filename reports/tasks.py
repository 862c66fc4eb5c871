"""What the workers do, as Celery sees it."""

from celery import shared_task

from reports import notifications, runner


@shared_task
def claim_next() -> None:
    """Look for work and do all there is. The message carries nothing: the database says what is to do."""
    runner.run_all()


@shared_task
def mail_about(job_id: str) -> None:
    """Mail a job's owner how it ended."""
    notifications.mail_about(job_id)
