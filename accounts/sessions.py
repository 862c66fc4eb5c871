"""Signed-in sessions: allauth's records of them, and the ending of any.

Its own tracking would write to the database with every request, of which an upload makes hundreds, and SQLite has one
writer. So `note` writes once in a while for each session; between its notes it costs a look into a dict.
"""

import logging
import time

from allauth.usersessions.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts import changes
from accounts.models import User

logger = logging.getLogger(__name__)

# How exact "last seen" is.
NOTE_SECONDS = 300
# Of one person. A program that logs in with every run leaves one behind each time, and each is looked at with every
# log-in; people have a handful.
MAX_SESSIONS = 500
# Sessions remembered as noted; each process remembers its own.
MAX_REMEMBERED = 10_000
_noted: dict[str, float] = {}


def note(request: HttpRequest) -> None:
    """Note that the session of `request`, which is somebody's, is used. Never raises: the page matters more."""
    if not _is_due(request.session.session_key):
        return
    try:
        UserSession.objects.create_from_request(request)
    except Exception as error:
        logger.warning("use of a session of user %s not noted: %r", request.user.pk, error)


def note_use(key: str | None) -> None:
    """Note that the session `key` is used by a program's JSON Web Token. Never raises either."""
    if not _is_due(key):
        return
    try:
        UserSession.objects.filter(session_key=key).update(last_seen_at=timezone.now())
    except Exception as error:
        logger.warning("use of a session not noted: %r", error)


def user_of(key: str | None) -> User | None:
    """Return the active user whose session has this key and was not ended by a new password. Change nothing.

    Django's own `get_user` deletes a session that is no longer good, and gives another key to one that was signed with
    an old secret key. Only a page's request may do that: its answer carries the new key to the browser.
    """
    data = SessionStore(key).load() if key else {}
    if data.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = User.objects.filter(pk=data.get(SESSION_KEY, 0), is_active=True).first()
    return user if user is not None and _was_signed_for(user, data.get(HASH_SESSION_KEY, "")) else None


def adopt(user: User) -> None:
    """After a change of the secret key: sign the person's sessions again, so that allauth does not end them.

    It asks Django's `get_user` about every session of a person, which gives those of an old secret key another key.
    """
    if settings.SECRET_KEY_FALLBACKS:
        for key in UserSession.objects.filter(user=user.pk).values_list("session_key", flat=True):
            _sign_again(SessionStore(key), user)


def _sign_again(session: SessionStore, user: User) -> None:
    signed = session.get(HASH_SESSION_KEY, "")
    if signed != user.get_session_auth_hash() and _was_signed_for(user, signed):
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()


def _was_signed_for(user: User, signed: str) -> bool:
    """Whether `signed` was made from the user's present password, with the secret key or an earlier one."""
    possible = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(signed, one) for one in possible)


def of(user: User) -> list[UserSession]:
    """The person's sessions that still let somebody in, the latest used first."""
    adopt(user)
    alive: list[UserSession] = UserSession.objects.purge_and_list(user)
    return sorted(alive, key=lambda session: session.last_seen_at, reverse=True)


def end(sessions: "QuerySet[UserSession]") -> int:
    """Sign the sessions out; returns how many."""
    ended = list(sessions)
    get_adapter().end_sessions(ended)
    for user_id in {session.user_id for session in ended}:
        changes.announce(user_id)
    return len(ended)


def end_all(user: User) -> int:
    return end(UserSession.objects.filter(user=user.pk))


def end_oldest(user: User) -> None:
    """Make room for one more session: sign out those used the longest ago where there are too many."""
    end(UserSession.objects.filter(user=user.pk).order_by("-last_seen_at")[MAX_SESSIONS - 1 :])


def _is_due(key: str | None) -> bool:
    now = time.monotonic()
    if key is None or now - _noted.get(key, -NOTE_SECONDS) < NOTE_SECONDS:
        return False
    if len(_noted) >= MAX_REMEMBERED:
        _noted.clear()
    _noted[key] = now
    return True
