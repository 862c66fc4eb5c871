"""Customers that people have imported."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from reports.models.jobs import Job


class KeyField(models.CharField[str, str]):
    """Text that is only ever compared with itself: by its bytes, which PostgreSQL does much faster than by a language's
    rules. SQLite does nothing else."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, str | None]:
        collation = {"collation": "C"} if connection.vendor == "postgresql" else {}
        return {**super().db_parameters(connection), **collation}


class Customer(models.Model):
    """A customer of `owner`, from a row of the file that `job` imported; `job` is empty when that has been deleted.

    Millions of them are written at a time, and a constraint of the database's on a foreign key costs a third of that.
    The two here are kept by the code: a window's rows are written in the transaction that updates their job, and what
    deletes a job or an account takes care of its customers first.
    """

    NAME_LENGTH = 255
    # RFC 5321 allows no longer addresses.
    EMAIL_LENGTH = 254
    PHONE_LENGTH = 64

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="customers",
        db_index=False,
        db_constraint=False,
    )
    job = models.ForeignKey(
        Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="customers", db_constraint=False
    )
    row_number = models.BigIntegerField(help_text="In its file; the first row is 1.")
    name = models.CharField(max_length=NAME_LENGTH)
    email = models.CharField(max_length=EMAIL_LENGTH)
    email_key = KeyField(max_length=EMAIL_LENGTH, editable=False, help_text="In small letters, for comparing.")
    phone = models.CharField(max_length=PHONE_LENGTH, blank=True)
    company = models.CharField(max_length=NAME_LENGTH)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField(null=True, editable=False, help_text="By hand, after the import.")

    objects: ClassVar[models.Manager["Customer"]]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "email_key"], name="customer_unique_email"),
        ]
        indexes = [
            # The owner's list, newest first.
            models.Index(fields=["owner", "id"], name="customer_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"
