"""API tokens: issuing one, and finding whose it is.

A token is 32 random bytes, so a plain SHA-256 is enough to store it: there is nothing to guess, unlike a password.
"""

import hashlib
import secrets
from datetime import timedelta

from django.utils import timezone

from accounts.models import ApiToken, User

PREFIX = "salesagg_"
HINT_LENGTH = len(PREFIX) + 5
# `last_used_at` is for people; writing it on every chunk of an upload would cost more than it tells.
LAST_USED_PRECISION = timedelta(minutes=1)


def issue(user: User, *, name: str) -> str:
    """Make a token for `user` and return it. It cannot be shown again."""
    token = PREFIX + secrets.token_urlsafe(32)
    ApiToken.objects.create(user=user, name=name, hint=token[:HINT_LENGTH], digest=_digest(token))
    return token


def owner_of(token: str) -> User | None:
    """The active user whose valid token this is."""
    found = (
        ApiToken.objects.select_related("user")
        .filter(digest=_digest(token), revoked_at=None, user__is_active=True)
        .first()
    )
    if found is None:
        return None
    now = timezone.now()
    if found.last_used_at is None or now - found.last_used_at > LAST_USED_PRECISION:
        ApiToken.objects.filter(pk=found.pk).update(last_used_at=now)
    return found.user


def revoke(token: ApiToken) -> None:
    """Make the token useless from now on; the record stays, to show that it was there."""
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
