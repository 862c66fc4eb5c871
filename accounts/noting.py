"""What Django and allauth announce, noted in the audit log: ways in and out, passwords, addresses, the admin."""

from typing import Any

from allauth.account import signals
from allauth.mfa import signals as mfa_signals
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import post_save
from django.dispatch import receiver

from accounts import audit, notices, second_factor
from accounts.acts import Act
from accounts.models import User

_OF_ADMIN = {ADDITION: Act.ADMIN_ADDED, CHANGE: Act.ADMIN_CHANGED, DELETION: Act.ADMIN_DELETED}
# Whose deletion is noted by what deletes them, for all ways of it.
_OURS = ("accounts", "uploads", "reports")


@receiver(signals.user_signed_up)
def note_sign_up(user: User, **kwargs: Any) -> None:
    audit.record(Act.SIGNED_UP, account=user)


@receiver(user_logged_in)
def note_log_in(user: User, **kwargs: Any) -> None:
    audit.record(Act.LOGGED_IN, account=user)


@receiver(user_logged_out)
def note_log_out(user: User | None, **kwargs: Any) -> None:
    # Nobody, if the account has just been deleted.
    if user is not None and User.objects.filter(pk=user.pk).exists():
        audit.record(Act.LOGGED_OUT, account=user)


@receiver(user_login_failed)
def note_failed_log_in(credentials: dict[str, Any], **kwargs: Any) -> None:
    """For the account that was tried. What was entered is not kept: now and then it is a password."""
    tried = User.objects.filter(email__iexact=str(credentials.get("email", "")).replace("\0", "")).first()
    audit.record(Act.LOG_IN_FAILED, account=tried)


@receiver([signals.password_changed, signals.password_set])
def note_password(user: User, **kwargs: Any) -> None:
    audit.record(Act.PASSWORD_CHANGED, account=user)


@receiver(signals.password_reset)
def note_reset(user: User, **kwargs: Any) -> None:
    audit.record(Act.PASSWORD_RESET, account=user)


@receiver(signals.email_added)
def note_added_address(user: User, email_address: Any, **kwargs: Any) -> None:
    audit.record(Act.EMAIL_ADDED, account=user)
    notices.send(user, Act.EMAIL_ADDED, email=email_address.email)


@receiver(signals.email_removed)
def note_removed_address(user: User, **kwargs: Any) -> None:
    audit.record(Act.EMAIL_REMOVED, account=user)


@receiver(mfa_signals.authenticator_added)
def note_second_factor(user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    is_codes = authenticator.type == Authenticator.Type.RECOVERY_CODES
    act = Act.RECOVERY_CODES_MADE if is_codes else Act.SECOND_FACTOR_ADDED
    audit.record(act, account=user, label=second_factor.label(authenticator))


@receiver(mfa_signals.authenticator_reset)
def note_new_recovery_codes(user: User, **kwargs: Any) -> None:
    audit.record(Act.RECOVERY_CODES_MADE, account=user)


@receiver(mfa_signals.authenticator_removed)
def note_removed_second_factor(user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    audit.record(Act.SECOND_FACTOR_REMOVED, account=user, label=second_factor.label(authenticator))


@receiver(mfa_signals.authentication_failed)
def note_failed_second_factor(user: User, **kwargs: Any) -> None:
    audit.record(Act.SECOND_FACTOR_FAILED, account=user)


@receiver(mfa_signals.authenticator_used)
def note_recovery_code(user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    if authenticator.type != Authenticator.Type.RECOVERY_CODES:
        return
    audit.record(Act.RECOVERY_CODE_USED, account=user)
    # The object that allauth hands on was read before the code was marked as used.
    authenticator.refresh_from_db()
    notices.send(user, Act.RECOVERY_CODE_USED, left=len(authenticator.wrap().get_unused_codes()))


@receiver(signals.email_changed)
def note_new_address(user: User, **kwargs: Any) -> None:
    audit.record(Act.EMAIL_CHANGED, account=user)


@receiver(signals.email_confirmed)
def note_confirmed_address(email_address: Any, **kwargs: Any) -> None:
    audit.record(Act.EMAIL_CONFIRMED, account=email_address.user_id)


@receiver(post_save, sender=LogEntry)
def note_administration(instance: LogEntry, **kwargs: Any) -> None:
    """Django's own log of the administration goes with the account of whoever did it; this one stays."""
    kind = instance.content_type
    if kind is None or (instance.is_deletion() and kind.app_label in _OURS):
        return
    changed = User.objects.filter(pk=str(instance.object_id)).first() if kind.model == "user" else None
    audit.record(
        _OF_ADMIN[instance.action_flag],
        account=changed,
        label=instance.object_repr,
        object_type=kind.model,
        object_id=str(instance.object_id),
    )
