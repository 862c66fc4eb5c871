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
    hands = models.IntegerField(db_default=1, help_text="How many jobs it can work on at a time.")

    objects: ClassVar[models.Manager["Worker"]]

    def __str__(self) -> str:
        return self.name


class Split(models.Model):
    """A stretch of a job's file that any worker may fold ahead, beside the one that holds the job.

    What comes of it is kept here until the job's holder has come so far, and commits it or, where it does not fit,
    folds the stretch itself: a split is never more than a help, so it may be lost, late or wrong about where a record
    begins.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="splits")
    start = models.BigIntegerField(help_text="Where in the file it begins: at a record's beginning, most likely.")
    end = models.BigIntegerField(help_text="Where it ends; once folded, where its last whole record does.")
    token = models.UUIDField(null=True, help_text="Of the worker that folds it.")
    lease_until = models.DateTimeField(null=True, help_text="Until when, by the database's clock, that is waited for.")
    folded = models.BinaryField(null=True, help_text="What came of it, as `reports.splits` encodes it.")
    given_up = models.BooleanField(default=False, help_text="Nothing comes of it: the job's holder folds it itself.")

    objects: ClassVar[models.Manager["Split"]]

    class Meta:
        ordering = ["start"]
        constraints = [models.UniqueConstraint(fields=["job", "start"], name="split_unique_start")]
        indexes = [
            # What is left to be taken, of which there is little.
            models.Index(fields=["id"], condition=Q(token=None, given_up=False), name="split_open"),
        ]

    def __str__(self) -> str:
        return f"[{self.start}, {self.end}) of {self.job_id}"
