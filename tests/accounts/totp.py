"""An authenticator app (RFC 6238), as a phone has it."""

import base64
import hashlib
import hmac
import struct
import time


def code(secret: str, *, steps: int = 0) -> str:
    """The six digits that the app shows now, or `steps` periods from now."""
    counter = int(time.time()) // 30 + steps
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", counter), hashlib.sha1)
    start = digest[-1] & 15
    number: int = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**6:06}"
