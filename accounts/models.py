"""Users, their API tokens, the answers kept for requests that may come twice, and the log of who did what."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import passwords
from accounts.acts import Via


class UserManager(BaseUserManager["User"]):
    """Creates users whose login is their e-mail address, kept in lower case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractUser):
    """A person. The e-mail address is the login; there is no user name."""

    username = None  # type: ignore[assignment]
    email = models.EmailField("e-mail address", unique=True, error_messages={"unique": "This address is taken."})
    language = models.CharField(
        max_length=8,
        blank=True,
        choices=settings.LANGUAGES,
        help_text="Of pages and mails; empty: as the browser asks.",
    )
    email_when_done = models.BooleanField(
        default=False, help_text="Mail the person when a job has ended while no page of ours was open."
    )
    must_change_password = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Another person chose the password: nothing is open until it is changed.",
    )

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            # "Ann@x.org" and "ann@x.org" are one mailbox and must not be two accounts.
            models.UniqueConstraint(Lower("email"), name="user_email_unique_ignoring_case"),
        ]

    def __str__(self) -> str:
        return self.email

    def check_password(self, raw_password: str | None) -> bool:
        return not passwords.is_too_long(raw_password) and super().check_password(raw_password)


class ApiToken(models.Model):
    """A secret that a program sends instead of logging in. Only its digest is kept: a stolen database opens nothing."""

    class Scopes(models.TextChoices):
        """What the token may be used for, as OAuth writes it: words between spaces."""

        READ = "read", _("read only")
        WRITE = "read write", _("read and write")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100, help_text="What the token is used for.")
    hint = models.CharField(max_length=16, help_text="How the token begins, to tell it from others.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.CharField(max_length=16, choices=Scopes, default=Scopes.WRITE)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it holds until it is revoked.")
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class IdempotentRequest(models.Model):
    """A request that its client may send again, and the answer it got: see `accounts.idempotency`."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255, help_text="As the client chose it.")
    fingerprint = models.CharField(max_length=64, help_text="Of what was asked; the same key for another is refused.")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    status = models.IntegerField(null=True, help_text="Of the answer; empty while the first request is being served.")
    answer = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotent_request_unique_key")]

    def __str__(self) -> str:
        return self.key


class AuditEntry(models.Model):
    """Something that somebody did: see `accounts.audit`. Written once; afterwards only what tells of a person who has
    been deleted is taken out of it. The database refuses any other change (migration 0004)."""

    at = models.DateTimeField(auto_now_add=True)
    action = models.CharField(max_length=32, help_text="One of `accounts.acts.Act`.")
    account = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        db_index=False,
        related_name="+",
        help_text="Whose things it is about; empty: nobody's, or somebody's who has been deleted.",
    )
    actor = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        help_text="Who did it; empty: nobody who was logged in, or somebody who has been deleted.",
    )
    via = models.CharField(max_length=8, choices=Via)
    token = models.CharField(max_length=100, blank=True, help_text="The name of the API token that it came with.")
    address = models.CharField(max_length=45, blank=True, help_text="From where; of IPv6 the network.")
    object_type = models.CharField(max_length=32, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    label = models.CharField(max_length=200, blank=True, help_text="What the object was called then.")
    request_id = models.CharField(max_length=64, blank=True, help_text="By which it is found in the logs.")

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit log"
        ordering = ["-pk"]
        indexes = [
            # A person's own, newest first.
            models.Index(fields=["account", "-id"], name="audit_entry_of_account"),
            # What happened to one thing.
            models.Index(fields=["object_id"], name="audit_entry_object"),
            # By day, and what is old enough to be forgotten.
            models.Index(fields=["at"], name="audit_entry_age"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.label}".strip()
