"""Who makes a call: by token, by the certificate of the connection, or, where the operator allows it, anybody.

Judged in this order, and by the first that is there alone: a token that is not valid is refused, whatever else came.
"""

import contextvars
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from django.conf import settings
from django.utils.translation import gettext as _

from accounts import audit, bindings, credentials, ratelimit
from accounts.acts import Via
from accounts.audit import Origin
from accounts.credentials import EVERYTHING, Credentials
from accounts.errors import Refusal
from accounts.models import User
from reports import readings, watching

# Calls of browsers come from our own web server, on a socket in the file system; see `reports.rpc.web`.
BRIDGE = "unix:"

_current: "contextvars.ContextVar[Caller]" = contextvars.ContextVar("caller")


@dataclass(frozen=True)
class Peer:
    """What is known of the other end: its address as gRPC writes it, and the name in its certificate."""

    address: str
    certified: str = ""

    def ip(self, forwarded_for: str = "") -> str | None:
        """``192.0.2.7`` of ``ipv4:192.0.2.7:50412``, ``2001:db8::7`` of ``ipv6:[2001:db8::7]:50412``; behind a proxy
        that is to be trusted, who called that one, of which it keeps account in `forwarded_for`. None where there is
        no address."""
        scheme, _colon, rest = unquote(self.address).partition(":")
        if scheme not in ("ipv4", "ipv6"):
            return None
        told = forwarded_for.rpartition(",")[2] if settings.BEHIND_PROXY else ""
        return _ip(told) or _ip(rest.rpartition(":")[0].strip("[]"))


@dataclass(frozen=True)
class Caller:
    """The user in whose name a call is made, and what it came with."""

    user: User
    header: str | None
    ip: str = ""
    # What the API token is called, if there is one.
    token: str = ""
    # What signed URLs that this call returns are bound to; see `accounts.bindings`.
    binding: str = ""

    async def is_still_allowed(self) -> bool:
        """Whether what it came with would still be accepted; for calls that last."""
        key, look = self.header, self._is_accepted
        # Many may come with the same; of them one asks.
        return key is None or await readings.read(key, look, max_age=watching.REREAD_SECONDS / 2, enough=bool)

    def _is_accepted(self) -> bool:
        try:
            credentials.from_header(self.header or "")
        except Refusal:
            return False
        return True


def identify(metadata: Mapping[str, str], peer: Peer, *, scope: str) -> Caller:
    """Who makes the call, which is counted. Raises `Refusal` (401, 403, 429)."""
    ip = peer.ip(metadata.get("x-forwarded-for", ""))
    if ip is not None:
        ratelimit.count_ip(ip)
    header = metadata.get("authorization")
    found = credentials.from_header(header) if header is not None else _without_token(peer)
    credentials.check_granted(found, scope)
    ratelimit.count_user(found.user)
    return Caller(found.user, header, ip=ip or "", token=found.name, binding=bindings.of_credentials(found))


def current() -> Caller:
    """Who makes the call that is being served."""
    return _current.get()


def serve(caller: Caller) -> None:
    """Serve the rest of the call in the name of `caller`."""
    _current.set(caller)
    audit.serve(Origin(Via.GRPC, caller.user, ratelimit.network_of(caller.ip), caller.token))


def _ip(text: str) -> str | None:
    """The address that `text` says, in its usual form, if it says one."""
    try:
        found = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def _without_token(peer: Peer) -> Credentials:
    if peer.certified:
        return Credentials(_active(peer.certified, _("Your certificate names no account here.")), EVERYTHING)
    # Never to what comes through the web server, which may be open to the world.
    if settings.GRPC_ANONYMOUS_USER and not peer.address.startswith(BRIDGE):
        message = _("Calls without a token are not possible: GRPC_ANONYMOUS_USER names no account.")
        return Credentials(_active(settings.GRPC_ANONYMOUS_USER, message), EVERYTHING)
    raise credentials.unauthorized(_("Send an API token in the metadata: authorization: Bearer <token>."))


def _active(email: str, message: str) -> User:
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    if user is None:
        raise credentials.unauthorized(message)
    return user
