"""Workers, and their tries at jobs: for the operators."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from reports.models.jobs import Job


class Attempt(models.Model):
    """A worker's try at a job, for the operators: from a claim until the job ended or the worker did.

    A job that waits for bytes and is taken up again is still in the same attempt.
    """

    class Outcome(models.TextChoices):
        COMPLETED = "completed"
        FAILED = "failed"
        CANCELLED = "cancelled"
        RELEASED = "released", "released by a worker that was stopped"
        LOST = "lost", "the worker was lost"
        CRASHED = "crashed", "an unexpected error"

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="attempts")
    worker = models.CharField(max_length=255, help_text="Host and process.")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=16, choices=Outcome, blank=True)
    start = models.BigIntegerField(help_text="Where in the file's contents it took the job up.")
    end = models.BigIntegerField(help_text="How far it has come.")
    windows = models.IntegerField(default=0, help_text="How many windows it has committed.")
    checkpoint_at = models.DateTimeField(null=True, help_text="When it committed the latest.")
    error = models.TextField(blank=True, help_text="The unexpected error, for operators.")

    objects: ClassVar[models.Manager["Attempt"]]

    class Meta:
        ordering = ["started_at", "pk"]
        constraints = [
            # Who holds the job now, if anybody does.
            models.UniqueConstraint(fields=["job"], condition=Q(ended_at=None), name="attempt_one_open"),
        ]

    def __str__(self) -> str:
        return f"{self.worker}, {self.outcome or 'at work'}"


class Worker(models.Model):
    """A worker process, as it last gave a sign of life."""

    name = models.CharField(max_length=255, unique=True, help_text="Host and process.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
