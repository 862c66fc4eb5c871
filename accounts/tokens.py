"""API tokens: issuing one, and finding whose it is.

A token is 32 random bytes, so a plain SHA-256 is enough to store it: there is nothing to guess, unlike a password.
"""

import hashlib
import logging
import secrets
from datetime import timedelta

from django.db import DatabaseError, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit, changes, notices
from accounts.acts import Act
from accounts.errors import Refusal
from accounts.models import ApiToken, User
from accounts.ownership import hold_owner

logger = logging.getLogger(__name__)
PREFIX = "salesagg_"
HINT_LENGTH = len(PREFIX) + 5
# `last_used_at` is for people; writing it on every chunk of an upload would cost more than it tells.
LAST_USED_PRECISION = timedelta(minutes=1)
# Far more than anybody has programs; it stops a program that makes a token with every run.
MAX_VALID = 50


def issue(
    user: User,
    *,
    name: str,
    scopes: str = ApiToken.Scopes.WRITE,
    days: int | None = None,
    new_name: bool = False,
) -> str:
    """Make a token for `user` and return it. It cannot be shown again. Raises `Refusal` (409) at the limit.

    Without `days` it holds until it is revoked. With `new_name` no other valid token may have the name.
    """
    token = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        # Two that are made at once must not both be the last: the second waits here.
        hold_owner(user.pk)
        if valid(user).count() >= MAX_VALID:
            message = _("You have %(count)s valid tokens, and more are not possible. Revoke one that you do not need.")
            raise Refusal("too_many_tokens", message % {"count": MAX_VALID}, status=409)
        if new_name and valid(user).filter(name=name).exists():
            raise Refusal("token_name_taken", name_taken(), status=409)
        made = ApiToken.objects.create(
            user=user,
            name=name,
            hint=token[:HINT_LENGTH],
            digest=_digest(token),
            scopes=scopes,
            expires_at=None if days is None else timezone.now() + timedelta(days=days),
        )
        audit.record(Act.TOKEN_MADE, made, account=user, label=name)
        notices.send(user, Act.TOKEN_MADE, name=name)
    return token


def name_taken() -> str:
    return _("You have a valid token of this name. Choose another, or revoke that one.")


def valid(user: User) -> QuerySet[ApiToken]:
    """The tokens of `user` that have neither been revoked nor expired."""
    return user.api_tokens.filter(_valid())


def ended(user: User) -> QuerySet[ApiToken]:
    """Those that have, the latest first."""
    return user.api_tokens.exclude(_valid()).order_by(Coalesce("revoked_at", "expires_at").desc())


def find(token: str) -> ApiToken | None:
    """The valid token that this is, with its user, who is active."""
    tokens = ApiToken.objects.select_related("user").filter(_valid(), user__is_active=True)
    found = tokens.filter(digest=_digest(token)).first()
    if found is None:
        return None
    now = timezone.now()
    if found.last_used_at is None or now - found.last_used_at > LAST_USED_PRECISION:
        _note_use(found)
    return found


def _note_use(token: ApiToken) -> None:
    """Note that the token is used. Never raises: with a full disk a client must still get in, to delete something."""
    try:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=timezone.now())
    except DatabaseError as error:
        logger.warning("use of API token %s not noted: %r", token.pk, error)


def revoke(token: ApiToken) -> None:
    """Make the token useless from now on; the record stays, to show that it was there."""
    with transaction.atomic():
        if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            audit.record(Act.TOKEN_REVOKED, token, account=token.user_id, label=token.name)
            changes.announce(token.user_id)
            notices.send(token.user, Act.TOKEN_REVOKED, name=token.name)


def revoke_all(user: User) -> int:
    """Revoke every valid token of `user`; returns how many."""
    found = list(valid(user))
    for token in found:
        revoke(token)
    return len(found)


def _valid() -> Q:
    return Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=timezone.now()))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
