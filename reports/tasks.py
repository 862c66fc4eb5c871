"""What the workers do, as Celery sees it."""

from celery import shared_task

from reports import runner


@shared_task
def claim_next() -> None:
    """Look for work and do all there is. The message carries nothing: the database says what is to do."""
    runner.run_all()
