"""Forms of results that are made once and kept."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from reports.models.jobs import Job


class Export(models.Model):
    """A form of a job's result, such as a workbook, which a worker makes once and which is then kept beside the result.

    Without `storage_name` it has been asked for. The worker that makes it has the lease and writes under `token`.
    """

    # Without a constraint: processes of the version before delete jobs, and know nothing of this table.
    job = models.ForeignKey(Job, on_delete=models.CASCADE, db_constraint=False, related_name="exports")
    kind = models.CharField(max_length=16, help_text="One of `reports.formats.FORMATS`.")
    requested_at = models.DateTimeField()
    token = models.UUIDField(null=True, help_text="Of the worker that makes it.")
    lease_until = models.DateTimeField(
        null=True, help_text="Until when, by the database's clock, nobody else makes it."
    )
    claimed_at = models.DateTimeField(null=True, help_text="When a worker last began, for taking turns among owners.")
    attempts = models.IntegerField(default=0, help_text="How many workers have begun to make it.")
    storage_name = models.CharField(max_length=255, blank=True, help_text="The file in the storage, once it is made.")
    size = models.BigIntegerField(null=True, help_text="Of the file, in bytes.")

    objects: ClassVar[models.Manager["Export"]]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "kind"], name="export_unique_kind")]
        indexes = [
            # What is still to be made, of which there is little.
            models.Index(fields=["requested_at"], condition=Q(storage_name=""), name="export_to_make"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.job_id}"
