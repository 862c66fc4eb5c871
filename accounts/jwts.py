"""JSON Web Tokens of programs that log in as a person: made, checked and refreshed, for allauth's headless API.

Each token belongs to a session and ends with it. A login gives an access token and a refresh token; a refresh token is
good once and gives the next pair. All tokens of one session are a family.

allauth has such a strategy too. This one differs in four ways:

* The session's key never leaves the server. allauth returns it as ``session_token``, and it would open the pages.
* A refresh token is checked and used in one step, so that of two requests with the same token only one succeeds.
* A refresh token that comes a second time ends its family: either the thief has used it, or the owner has.
* Tokens of an earlier secret key stay good while that is in `SECRET_KEY_FALLBACKS`.
"""

import base64
import binascii
import hashlib
import logging
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jwt
from allauth.headless.tokens.strategies.base import AbstractTokenStrategy
from allauth.usersessions.models import UserSession
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest

from accounts import audit, sessions
from accounts.acts import Act
from accounts.models import User
from salesagg.core import trusted_request

logger = logging.getLogger(__name__)

ALGORITHM = "HS256"
ACCESS, REFRESH, PENDING = "access", "refresh", "pending"
# A login that needs a second step, such as a code, has so long for it.
PENDING_SECONDS = 15 * 60
# A client that refreshes twice at once, from two threads say, has not been robbed: its second request is refused, and
# the family stays. A thief who comes within this time gets nothing either.
GRACE_SECONDS = 10
# In the session: the refresh tokens that are still good, with their expiry, and those used a moment ago.
_GOOD, _USED = "headless_refresh_tokens", "used_refresh_tokens"
_IV_BYTES = 16


@dataclass(frozen=True)
class Claims:
    """What a token says that we have signed."""

    session_key: str
    user_id: str
    id: str
    expires_at: int


@dataclass(frozen=True)
class _Key:
    """What tokens are signed with, and what hides the session's key in them."""

    signing: str
    hiding: bytes


def make(use: str, session_key: str, *, seconds: int, user_id: str = "") -> tuple[str, Claims]:
    """A token for `use`, signed with the secret key."""
    now, key = int(time.time()), next(_keys())
    claims = Claims(session_key, user_id, str(uuid.uuid4()), now + seconds)
    payload = {"iat": now, "exp": claims.expires_at, "jti": claims.id, "sub": user_id}
    payload |= {"token_use": use, "sid": _hide(session_key, key)}
    return jwt.encode(payload, key.signing, algorithm=ALGORITHM), claims


def read(token: str, use: str) -> Claims | None:
    """The claims of a token that we have signed for `use` and that has not expired."""
    return next(filter(None, (_read(token, use, key) for key in _keys())), None)


def user_of(claims: Claims | None) -> User | None:
    """The active user that the token's session belongs to, if it is still good."""
    user = sessions.user_of(claims.session_key) if claims else None
    return user if user is not None and claims is not None and str(user.pk) == claims.user_id else None


class Strategy(AbstractTokenStrategy):  # type: ignore[misc]
    """How allauth's headless API knows who calls, and what it gives to a program that has logged in."""

    def get_session_token(self, request: HttpRequest) -> str | None:
        """The key of the session that the request's access token belongs to, or its login that is not finished."""
        pending = trusted_request.session_token(request)
        if pending is not None:
            return _key_of_pending(pending)
        scheme, _space, token = (trusted_request.authorization(request) or "").partition(" ")
        claims = read(token.strip(), ACCESS) if scheme.lower() == "bearer" else None
        return claims.session_key if claims and user_of(claims) else None

    def lookup_session(self, session_token: str) -> SessionBase | None:
        if user := sessions.user_of(session_token):
            sessions.adopt(user)
        session = SessionStore(session_token)
        # Loads it, which takes the key from one that is not there.
        session.get(SESSION_KEY)
        return session if session.session_key else None

    def create_session_token(self, request: HttpRequest) -> str:
        """What a login that needs a second step is continued with. Nothing for a session that somebody has."""
        if request.user.is_authenticated:
            return ""
        return make(PENDING, _key_of(request), seconds=PENDING_SECONDS)[0]

    def create_access_token_payload(self, request: HttpRequest) -> dict[str, Any] | None:
        user_id, key = str(request.user.pk), _key_of(request)
        good = request.session.setdefault(_GOOD, {})
        return dict(zip(("access_token", "refresh_token"), _pair(key, user_id, good), strict=True))

    def refresh_token(self, refresh_token: str) -> tuple[str, str] | None:
        claims = read(refresh_token, REFRESH)
        with transaction.atomic():
            session = _locked(claims.session_key) if claims else None
            user = user_of(claims)
            if claims is None or session is None or user is None:
                return None
            if session.get(_GOOD, {}).pop(claims.id, 0) > time.time():
                return _refresh(session, user, claims)
            if not _was_used_just_now(session, claims):
                _end_family(user, claims)
            return None


def _refresh(session: SessionStore, user: User, claims: Claims) -> tuple[str, str]:
    now = time.time()
    # A session that is refreshed for longer than an earlier secret key is listed stays good.
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    used = {one: at for one, at in session.get(_USED, {}).items() if at > now - GRACE_SECONDS}
    session[_USED] = used | {claims.id: now}
    pair = _pair(claims.session_key, claims.user_id, session[_GOOD])
    session.save()
    sessions.note_use(claims.session_key)
    return pair


def _was_used_just_now(session: SessionStore, claims: Claims) -> bool:
    return bool(session.get(_USED, {}).get(claims.id, 0) > time.time() - GRACE_SECONDS)


def _end_family(user: User, claims: Claims) -> None:
    """End the session, and with it all tokens: somebody has used the token who should not have had it."""
    logger.warning("a refresh token of user %s came twice; its session is ended", user.pk)
    sessions.end(UserSession.objects.filter(session_key=claims.session_key))
    SessionStore().delete(claims.session_key)
    audit.record(Act.REFRESHED_TWICE, account=user)


def _pair(session_key: str, user_id: str, good: dict[str, int]) -> tuple[str, str]:
    """An access token and a refresh token, which is added to those that are `good`."""
    access, _claims = make(ACCESS, session_key, user_id=user_id, seconds=settings.HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN)
    seconds = settings.HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN
    refresh, claims = make(REFRESH, session_key, user_id=user_id, seconds=seconds)
    good[claims.id] = claims.expires_at
    return access, refresh


def _locked(session_key: str) -> SessionStore | None:
    """The session, which nobody else can lock before the transaction ends."""
    if not Session.objects.select_for_update().filter(session_key=session_key).exists():
        return None
    return SessionStore(session_key)


def _key_of(request: HttpRequest) -> str:
    if not request.session.session_key:
        request.session.save()
    return str(request.session.session_key)


def _key_of_pending(token: str) -> str | None:
    claims = read(token, PENDING)
    # Whoever has logged in has an access token; this one opens only a session that is nobody's yet.
    return claims.session_key if claims and sessions.user_of(claims.session_key) is None else None


def _keys() -> Iterator[_Key]:
    """The present keys, then the earlier ones."""
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        signing = hashlib.sha256(f"json web tokens {secret}".encode()).hexdigest()
        yield _Key(signing, hashlib.sha256(secret.encode()).digest())


def _read(token: str, use: str, key: _Key) -> Claims | None:
    required = {"require": ["exp", "jti", "sub", "sid", "token_use"]}
    try:
        payload = jwt.decode(token, key.signing, algorithms=[ALGORITHM], options=required)  # type: ignore[arg-type]
    except jwt.PyJWTError:
        return None
    texts = [payload[name] for name in ("sid", "sub", "jti")]
    if payload["token_use"] != use or not all(isinstance(text, str) for text in texts):
        return None
    session_key = _show(texts[0], key)
    return Claims(session_key, texts[1], texts[2], int(payload["exp"])) if session_key else None


def _hide(session_key: str, key: _Key) -> str:
    """The session's key, encrypted; the token's signature keeps it from being changed."""
    iv = os.urandom(_IV_BYTES)
    encryptor = Cipher(algorithms.AES(key.hiding), modes.CTR(iv)).encryptor()
    return base64.b64encode(iv + encryptor.update(session_key.encode()) + encryptor.finalize()).decode()


def _show(sid: str, key: _Key) -> str:
    """The session's key, or nothing."""
    try:
        data = base64.b64decode(sid)
        decryptor = Cipher(algorithms.AES(key.hiding), modes.CTR(data[:_IV_BYTES])).decryptor()
        return (decryptor.update(data[_IV_BYTES:]) + decryptor.finalize()).decode()
    except (binascii.Error, ValueError):
        return ""
