"""Announce that somebody's credentials have changed, so that open connections look at once whether theirs are good.

Connections also look by themselves every few seconds (`accounts.credentials.is_good`): an announcement can be lost, and
a change by SQL, or a token that expires, is announced by nobody.
"""

from functools import partial
from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal, receiver

from accounts.models import ApiToken, User

# Sent with `user_id`, after the transaction that changed something.
changed = Signal()
# Columns of a user that decide whether a login is still good.
_DECISIVE = {"password", "is_active"}


def announce(user_id: int) -> None:
    transaction.on_commit(partial(changed.send_robust, sender=User, user_id=user_id))


@receiver(post_save, sender=User)
def announce_user(instance: User, created: bool, update_fields: Any = None, **kwargs: Any) -> None:
    """A new password or a lock, by a page, a mail, the administration or a command."""
    if not created and (update_fields is None or _DECISIVE & set(update_fields)):
        announce(instance.pk)


@receiver(post_save, sender=ApiToken)
def announce_token(instance: ApiToken, created: bool, **kwargs: Any) -> None:
    if not created:
        announce(instance.user_id)


@receiver(post_delete, sender=ApiToken)
def announce_deleted_token(instance: ApiToken, **kwargs: Any) -> None:
    announce(instance.user_id)


@receiver(user_logged_out)
def announce_log_out(user: User | None, **kwargs: Any) -> None:
    if user is not None and user.pk is not None:
        announce(user.pk)
