"""What a job ends in, and who may read it."""

import uuid
from typing import ClassVar

from django.db import models

from reports.models.jobs import Job


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
