"""An upload and the parts it was received in."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class Upload(models.Model):
    """A file on its way to us, or arrived. Its bytes are those of its parts, in order of their offsets.

    `offset` is how many bytes are committed; it only grows, and only through `uploads.parts`. `length` is unknown
    while the client defers it. The state leaves ``receiving`` once and never comes back.
    """

    class State(models.TextChoices):
        RECEIVING = "receiving"
        COMPLETE = "complete"
        EXPIRED = "expired"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads")
    filename = models.CharField(max_length=255, help_text="As the client named it. Shown, never used as a path.")
    length = models.BigIntegerField(null=True, help_text="Bytes in all; empty while the client defers it.")
    offset = models.BigIntegerField(default=0, help_text="Bytes received and committed.")
    part_count = models.BigIntegerField(default=0, db_default=0, help_text="Parts committed.")
    state = models.CharField(max_length=16, choices=State, default=State.RECEIVING)
    metadata = models.TextField(blank=True, help_text="The Upload-Metadata header, as sent.")
    keep = models.BooleanField(
        default=False, help_text="Stored for its own sake: nothing is done with it unasked, and it outlasts its jobs."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    completed_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(help_text="When an upload that receives nothing more is given up.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="upload_offset_within_length",
                condition=Q(offset__gte=0) & (Q(length=None) | Q(offset__lte=F("length"))),
            ),
        ]
        indexes = [
            # The owner's quota.
            models.Index(fields=["owner", "state"], name="upload_by_owner"),
            # The owner's list, newest first.
            models.Index(fields=["owner", "-created_at", "-id"], name="upload_newest"),
            # The sweep for uploads that have been given up.
            models.Index(fields=["expires_at"], condition=Q(state="receiving"), name="upload_expiring"),
        ]

    def __str__(self) -> str:
        return self.filename

    @property
    def parts_folder(self) -> str:
        """Where the storage keeps this upload's parts. Made from our id alone, whatever the client named the file."""
        return f"uploads/{self.id}"


class Part(models.Model):
    """One committed chunk of an upload, stored as an object of its own.

    A `borrowed` part is an object that was in the storage before: it is read where it is, and never deleted by us.
    """

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="parts")
    offset = models.BigIntegerField(help_text="Where in the file its first byte stands.")
    size = models.BigIntegerField(help_text="Bytes.")
    sha256 = models.CharField(max_length=64, blank=True, help_text="Empty for a borrowed part.")
    block_digests = models.BinaryField(
        null=True, help_text="The digests of its blocks, as `uploads.blocks` makes them; empty for a part of one block."
    )
    storage_name = models.CharField(max_length=1024, help_text="The name the storage gave it.")
    borrowed = models.BooleanField(default=False, help_text="Somebody else's object, read where it is.")
    edition = models.CharField(
        max_length=255, blank=True, help_text="What a borrowed object was like when it was taken; another is not read."
    )

    objects: ClassVar[models.Manager["Part"]]

    class Meta:
        ordering = ["offset"]
        constraints = [
            # Also the index by which a window's parts are found.
            models.UniqueConstraint(fields=["upload", "offset"], name="part_unique_offset"),
        ]

    def __str__(self) -> str:
        return f"{self.size} bytes at {self.offset}"


class Removal(models.Model):
    """An upload whose bytes are to be deleted. The row is there from the moment the upload ends until its last byte is
    gone, so that a process that dies in between, or a file of many parts, leaves the rest to the sweep."""

    upload = models.OneToOneField(Upload, on_delete=models.CASCADE, related_name="removal")
    whole = models.BooleanField(default=False, help_text="The upload's own row is deleted too, after its bytes.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return str(self.upload_id)
