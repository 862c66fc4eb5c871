"""Encryption of what is kept for a while and may hold secrets, with a key made from the secret key.

Whoever has the database, or a copy of it, cannot read it without the secret key. What an earlier secret key has
encrypted can be read while that is in `SECRET_KEY_FALLBACKS`.
"""

import base64
import hashlib
import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Unreadable(Exception):
    """Encrypted with a secret key that we no longer have."""


def seal(value: Any) -> str:
    """`value`, which is JSON, encrypted."""
    return _fernet().encrypt(json.dumps(value).encode()).decode()


def unseal(sealed: str) -> Any:
    """Raises `Unreadable`."""
    try:
        return json.loads(_fernet().decrypt(sealed))
    except InvalidToken:
        raise Unreadable from None


def _fernet() -> MultiFernet:
    return MultiFernet([_of(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _of(secret: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"vault {secret}".encode()).digest()))
