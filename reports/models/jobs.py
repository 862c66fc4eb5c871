"""Jobs, and how far they are."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from uploads.models import Upload

# What a file is when nobody has said so.
DEFAULT_KIND = "sales"


def kinds() -> list[tuple[str, str]]:
    """The kinds there are. Pipelines know of models, not the other way round."""
    from reports.pipelines import pipelines

    return [(kind, str(pipeline.title)) for kind, pipeline in pipelines().items()]


class Job(models.Model):
    """One run over one upload: an aggregation, an import. Its row is the truth; only `reports.lifecycle` changes it.

    `status` says how far the job is, the lease says whether a worker holds it: ``processing`` without a lease waits,
    for bytes or for a worker. `version` grows with every visible change, uploads' progress included.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        PROCESSING = "processing"
        COMPLETED = "completed"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="jobs")
    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="jobs")
    kind = models.CharField(max_length=16, choices=kinds, default=DEFAULT_KIND, help_text="What the file is.")
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

    # With a default in the database, so that processes that are older than the column can write rows.
    request_id = models.CharField(
        max_length=64, blank=True, db_default="", help_text="The request that asked for it, for finding it in the logs."
    )
    error_code = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True, help_text="In plain words, for the owner.")
    result_name = models.CharField(max_length=255, blank=True, help_text="The result CSV in the storage.")
    stored_bytes = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="Bytes of the result and of rejected rows.",
    )
    departments = models.IntegerField(null=True, help_text="How many the result has.")
    total = models.TextField(blank=True, help_text="The sales of all departments, in decimal digits.")
    encoding = models.CharField(max_length=16, blank=True, help_text="What the file was read as.")
    reasons = models.JSONField(
        default=dict, help_text="How many rows were rejected for which reason; a row can have several."
    )

    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    undo_requested_at = models.DateTimeField(null=True, help_text="From then on what it imported is being removed.")
    undone_at = models.DateTimeField(null=True, help_text="When all of that was removed.")

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
            # Imports being undone, of which there are few.
            models.Index(
                fields=["undo_requested_at"],
                condition=Q(undo_requested_at__isnull=False, undone_at__isnull=True),
                name="job_undoing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.upload.filename} ({self.status})"

    @property
    def is_finished(self) -> bool:
        return self.status in FINISHED

    @property
    def is_undone(self) -> bool:
        """What it imported has been removed again, or is being removed."""
        return self.undo_requested_at is not None


OPEN = (Job.Status.PENDING, Job.Status.PROCESSING)
FINISHED = (Job.Status.COMPLETED, Job.Status.FAILED, Job.Status.CANCELLED)


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
