"""Bind a signed URL to the credential that it was made with, so that it ends with that credential.

A binding is a short text inside the signed part of a URL. It names the credential and opens nothing.
"""

from allauth.usersessions.models import UserSession
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from accounts import tokens
from accounts.credentials import Credentials
from accounts.models import User

_TOKEN, _SESSION, _PASSWORD = "t", "s", "p"
_SALT = "accounts.bindings"


def of_request(request: HttpRequest) -> str:
    """The binding to what the request was authenticated by. Looked up once for each request."""
    known: str | None = getattr(request, "binding", None)
    if known is None:
        known = _of_request(request)
        request.binding = known  # type: ignore[attr-defined]
    return known


def of_credentials(found: Credentials) -> str:
    """The same for what a caller was authenticated by otherwise than by HTTP."""
    if found.token_id is not None:
        return f"{_TOKEN}{found.token_id}"
    return _of_session(found.session_key, found.user)


def holds(binding: str, owner: User) -> bool:
    """Whether the credential, which must be the owner's, would still be accepted."""
    kind, named = binding[:1], binding[1:]
    if kind == _TOKEN:
        return tokens.valid(owner).filter(pk=int(named)).exists()
    if kind == _SESSION:
        session = _sessions(owner).filter(pk=int(named)).first()
        return session is not None and not session.purge()
    return kind == _PASSWORD and named == _fingerprint(owner)


def _of_request(request: HttpRequest) -> str:
    found: Credentials | None = getattr(request, "credentials", None)
    if found is not None:
        return of_credentials(found)
    assert isinstance(request.user, User)
    return _of_session(request.session.session_key or "", request.user)


def _of_session(key: str, user: User) -> str:
    """To the session; without one that is known, as of a gRPC caller with a certificate, to the password."""
    session = _sessions(user).filter(session_key=key).first() if key else None
    return f"{_SESSION}{session.pk}" if session else f"{_PASSWORD}{_fingerprint(user)}"


def _sessions(user: User) -> "QuerySet[UserSession]":
    found: QuerySet[UserSession] = UserSession.objects.filter(user=user.pk)
    return found


def _fingerprint(user: User) -> str:
    """Of the password's hash: it changes with the password, and tells nothing of it."""
    return salted_hmac(_SALT, user.password, algorithm="sha256").hexdigest()[:16]
