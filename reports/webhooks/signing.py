"""Signing messages as Standard Webhooks says (standardwebhooks.com), so that receivers have ready libraries."""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from secrets import token_bytes

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    return PREFIX + base64.b64encode(token_bytes(SECRET_BYTES)).decode()


def headers(message_id: str, body: str, *, secrets: Iterable[str], timestamp: int) -> dict[str, str]:
    """The headers by which a receiver knows who sent `body` and when; `timestamp` is in seconds.

    There is one signature for each of the secrets, so that a receiver with any of them accepts the message.
    """
    signed = f"{message_id}.{timestamp}.{body}".encode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    digest = hmac.digest(base64.b64decode(secret.removeprefix(PREFIX)), signed, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"
