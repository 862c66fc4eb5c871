"""What HTTP says in headers and gRPC in metadata."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator

from django.utils.translation import gettext as _

from reports.rpc.web.frames import malformed

Metadata = list[tuple[str, str | bytes]]

_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])", re.ASCII)
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
# gRPC takes a time of thousands of years for one that has run out.
_LONGEST_SECONDS = 10 * 365 * 86_400.0
_KEY = re.compile(r"[0-9a-z_.-]+", re.ASCII)
_VALUE = re.compile(r"[ -~]*", re.ASCII)
# What is between a browser and the web server, and no business of a method. Cookies above all: see `reports.rpc.web`.
_NOT_PASSED = {
    *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"),
    *("host", "origin", "referer", "cookie", "content-type", "content-length", "content-encoding", "user-agent"),
    *("cache-control", "pragma", "priority", "dnt", "x-grpc-web", "x-user-agent", "x-forwarded-for", "x-real-ip"),
}
_FAMILIES_NOT_PASSED = (":", "accept", "access-control-", "grpc-", "if-", "proxy-", "sec-")


def of_request(headers: Iterable[tuple[bytes, bytes]]) -> Metadata:
    """The metadata of a call from the headers of its request. Raises `Refusal` (400)."""
    found: Metadata = []
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").strip()
        if name in _NOT_PASSED or name.startswith(_FAMILIES_NOT_PASSED):
            continue
        if not _KEY.fullmatch(name) or not _VALUE.fullmatch(value):
            # Metadata cannot say it. Proxies add such headers, and no method of ours asks for one.
            continue
        if name.endswith("-bin"):
            found += [(name, _binary(part)) for part in value.split(",")]
        else:
            found.append((name, value))
    return found


def of_answer(metadata: Iterable[tuple[str, str | bytes]] | None) -> Iterator[tuple[str, str]]:
    """The same the other way: what is binary in base64 without padding."""
    for name, value in metadata or ():
        yield name, value if isinstance(value, str) else base64.b64encode(value).decode().rstrip("=")


def timeout(value: str | None) -> float | None:
    """Seconds that a call may last, of the header ``grpc-timeout``. Raises `Refusal` (400)."""
    if value is None:
        return None
    match = _TIMEOUT.fullmatch(value)
    if match is None:
        raise malformed(_("The time-out is not a number of up to eight digits and one of H, M, S, m, u and n."))
    return min(int(match[1]) * _SECONDS[match[2]], _LONGEST_SECONDS)


def _binary(value: str) -> bytes:
    text = value.strip().rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise malformed(_("A header whose name ends in -bin is not base64.")) from None
