"""Jobs, their checkpoints, and the totals they end in."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from uploads.models import Upload


class Job(models.Model):
    """One aggregation of one upload. Its row is the truth about it; only `reports.lifecycle` changes it.

    `status` says how far the job is, the lease says whether a worker holds it: ``processing`` without a lease waits,
    for bytes or for a worker. `version` grows with every visible change, uploads' progress included.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        PROCESSING = "processing"
        COMPLETED = "completed"
        FAILED = "failed"
        CANCELLED = "cancelled"

    class Kind(models.TextChoices):
        SALES = "sales"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="jobs")
    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="jobs")
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.SALES)
    options = models.JSONField(default=dict, blank=True, help_text="What the user chose, such as the columns.")
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)

    bytes_done = models.BigIntegerField(default=0, help_text="Bytes of the upload folded and checkpointed.")
    position = models.BigIntegerField(
        default=0, help_text="How far that is in the file's contents: as far, unless it is packed."
    )
    wanted_bytes = models.BigIntegerField(
        default=0, help_text="Bytes beyond bytes_done that must come first: a record longer than a window needs them."
    )
    rows = models.BigIntegerField(default=0)
    bad_rows = models.BigIntegerField(default=0)
    context = models.JSONField(null=True, help_text="What the pipeline knows of the file, from window to window.")
    version = models.BigIntegerField(default=1)

    attempt = models.IntegerField(default=0, help_text="Claims since the last progress.")
    token = models.UUIDField(null=True, help_text="The claim that may write. A new claim makes older ones harmless.")
    lease_until = models.DateTimeField(null=True, help_text="Until when, by the database's clock, the claim holds.")
    claimed_at = models.DateTimeField(null=True, help_text="The latest claim, for taking turns among owners.")
    cancel_requested = models.BooleanField(default=False)

    error_code = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True, help_text="In plain words, for the owner.")
    result_name = models.CharField(max_length=255, blank=True, help_text="The result CSV in the storage.")
    departments = models.IntegerField(null=True, help_text="How many the result has.")
    total = models.TextField(blank=True, help_text="The sales of all departments, in decimal digits.")
    encoding = models.CharField(max_length=16, blank=True, help_text="What the file was read as.")
    reasons = models.JSONField(
        default=dict, help_text="How many rows were rejected for which reason; a row can have several."
    )

    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="job_counters_make_sense",
                condition=Q(bytes_done__gte=0)
                & Q(position__gte=0)
                & Q(bad_rows__gte=0)
                & Q(rows__gte=models.F("bad_rows")),
            ),
        ]
        indexes = [
            # The owner's dashboard, newest first.
            models.Index(fields=["owner", "-created_at"], name="job_by_owner"),
            # The claim and the sweep look at open jobs only, of which there are few.
            models.Index(
                fields=["lease_until"], condition=Q(status__in=["pending", "processing"]), name="job_open_by_lease"
            ),
            # What has ended lately, and how: the operations page.
            models.Index(fields=["status", "finished_at"], name="job_by_end"),
            # Whose turn it is.
            models.Index(fields=["owner", "claimed_at"], name="job_turns"),
        ]

    def __str__(self) -> str:
        return f"{self.upload.filename} ({self.status})"

    @property
    def is_finished(self) -> bool:
        return self.status in FINISHED


OPEN = (Job.Status.PENDING, Job.Status.PROCESSING)
FINISHED = (Job.Status.COMPLETED, Job.Status.FAILED, Job.Status.CANCELLED)


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


class Share(models.Model):
    """A link under which anybody may read a report, until it expires or is revoked. Its address is this id, signed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="shares")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True, help_text="When it was last opened.")

    objects: ClassVar[models.Manager["Share"]]

    class Meta:
        ordering = ["created_at"]

    def __str__(self) -> str:
        return f"link to {self.job_id} until {self.expires_at:%Y-%m-%d}"


class Worker(models.Model):
    """A worker process, as it last gave a sign of life."""

    name = models.CharField(max_length=255, unique=True, help_text="Host and process.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Checkpoint(models.Model):
    """The folded state of the bytes ``[start, end)`` of a job's file. All of a job's cover ``[0, position)``.

    Level 0 is one window; `reports.checkpoints` merges many of one level into one of the next, so that there are never
    many to read, and no state is rewritten more than a few times.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="checkpoints")
    level = models.SmallIntegerField(default=0)
    start = models.BigIntegerField()
    end = models.BigIntegerField()
    state = models.BinaryField(help_text="As the job's pipeline encodes it.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["Checkpoint"]]

    class Meta:
        ordering = ["start"]
        constraints = [models.UniqueConstraint(fields=["job", "start"], name="checkpoint_unique_start")]

    def __str__(self) -> str:
        return f"[{self.start}, {self.end}) of {self.job_id}"


class DepartmentTotal(models.Model):
    """One line of a finished sales job's result. Before the job is completed they are not all there.

    They are written in order of their names, so the order of the primary keys is that of the names.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="totals", db_index=False)
    name = models.TextField()
    # Text, since no column type holds a number of any size on every database. `rank` orders by it exactly.
    total = models.TextField(help_text="In decimal digits.")
    rows = models.BigIntegerField(help_text="How many rows it is the sum of.")
    rank = models.IntegerField(help_text="1 is the largest total; ties in order of name.")

    objects: ClassVar[models.Manager["DepartmentTotal"]]

    class Meta:
        constraints = [
            # Also the index by which the report pages through the largest first.
            models.UniqueConstraint(fields=["job", "rank"], name="total_unique_rank"),
        ]
        indexes = [
            # The report in order of names, and of rows.
            models.Index(fields=["job", "id"], name="total_by_name"),
            models.Index(fields=["job", "rows", "id"], name="total_by_rows"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.total}"


class MonthTotal(models.Model):
    """The sales of a month, of a finished sales job whose file has dates."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="months")
    month = models.CharField(max_length=7, help_text="YYYY-MM")
    total = models.TextField(help_text="In decimal digits.")
    rows = models.BigIntegerField(help_text="How many rows it is the sum of.")

    objects: ClassVar[models.Manager["MonthTotal"]]

    class Meta:
        ordering = ["month"]
        constraints = [models.UniqueConstraint(fields=["job", "month"], name="month_unique")]

    def __str__(self) -> str:
        return f"{self.month}: {self.total}"


class RejectedRows(models.Model):
    """The lines of the report of rejected rows that one window gave, in the storage, in the file's own encoding.

    A window's lines are stored before it is committed, under a name that carries the claim's token, and this row comes
    with the checkpoint: so the report has each rejected row once, whatever dies in between.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="rejected")
    start = models.BigIntegerField(help_text="Where in the file's contents the window begins.")
    rows = models.IntegerField(help_text="How many rows they are.")
    storage_name = models.CharField(max_length=255)

    objects: ClassVar[models.Manager["RejectedRows"]]

    class Meta:
        ordering = ["start"]
        constraints = [models.UniqueConstraint(fields=["job", "start"], name="rejected_unique_start")]

    def __str__(self) -> str:
        return self.storage_name
