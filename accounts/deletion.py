"""Deleting an account and all that belongs to it.

The account is closed first: from that moment nobody gets in. Then files and rows go, and the account's own row last, so
that at every moment a row stands for what is still to be deleted. Failure story: the process dies, or the storage is
away, with half of the files gone. The person has seen the account close and can do no more; the sweep finds it closed
and erases what is left, and so can an operator, by deleting it in the admin.
"""

import logging
import time

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import transaction
from django.utils import timezone

from accounts import audit, changes, holdings, sessions
from accounts.acts import Act
from accounts.models import User
from salesagg.core import disk

logger = logging.getLogger(__name__)

# In place of a password's hash: it opens nothing, and tells an account that is being deleted from one that is locked.
CLOSED = f"{UNUSABLE_PASSWORD_PREFIX}closed"
# How often each process looks for unfinished deletions; what failed will often fail again a moment later.
LOOK_SECONDS = 300
# A person waits for the answer; the sweep deletes what is left then.
AT_ONCE_SECONDS = 10.0
_looked_at = -float(LOOK_SECONDS)


def delete(user: User) -> bool:
    """Close the account and erase everything; returns whether that is done, or left to the sweep."""
    close(user)
    return finish(user, seconds=AT_ONCE_SECONDS)


def close(user: User) -> None:
    """Let nobody in any more: not by password, session or token. What has to be erased is kept for `finish`."""
    disk.make_room()
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(is_active=False, password=CLOSED, email_when_done=False)
        user.api_tokens.filter(revoked_at=None).update(revoked_at=timezone.now())
        sessions.end_all(user)
        audit.record(Act.ACCOUNT_CLOSED, account=user)
        changes.announce(user.pk)
    logger.info("account %s closed, to be deleted", user.pk)


def finish(user: User, *, seconds: float = float("inf")) -> bool:
    """Erase what a closed account still has, for about so many seconds; returns whether nothing is left. Never raises:
    it can be done again."""
    try:
        if not _erase(user, until=time.monotonic() + seconds):
            logger.info("account %s has much to delete; the sweep continues", user.pk)
            return False
    except Exception:
        logger.exception("deleting account %s is not finished; it will be tried again", user.pk)
        return False
    logger.info("account %s deleted", user.pk)
    return True


def finish_all() -> None:
    """For the sweep: finish the deletions that were cut short, now and then."""
    global _looked_at
    if time.monotonic() - _looked_at < LOOK_SECONDS:
        return
    _looked_at = time.monotonic()
    for user in User.objects.filter(password=CLOSED, is_active=False):
        finish(user)


def _erase(user: User, *, until: float) -> bool:
    gone = False
    while not gone:
        if time.monotonic() > until:
            return False
        with audit.silence():
            holdings.erase(user)
        with transaction.atomic():
            # An upload that was about to be created has been, or waits for this row and then finds nobody.
            closed = User.objects.select_for_update().filter(pk=user.pk).first()
            gone = closed is None or not holdings.losses(closed)
            if closed is not None and gone:
                audit.forget(closed)
                closed.delete()
    return True
