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

from accounts import audit, bindings, credentials, ratelimit, sessions
from accounts.acts import Via
from accounts.audit import Origin
from accounts.credentials import EVERYTHING, Credentials
from accounts.errors import Refusal
from accounts.models import User
from reports.rpc import endings

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
    # The key of the session behind a JSON Web Token.
    session: str = ""

    def is_accepted(self) -> bool:
        """Whether what it came with would still be accepted; for calls that last.

        A JSON Web Token holds for a quarter of an hour, and an upload may take longer without a way to renew it. So its
        session is what counts: it ends with a logout, with a new password, and with the account.
        """
        if self.session:
            return sessions.user_of(self.session) == self.user
        if self.header is not None:
            return _is_valid(self.header)
        return User.objects.filter(pk=self.user.pk, is_active=True).exists()


def identify(metadata: Mapping[str, str], peer: Peer, *, scope: str) -> Caller:
    """Who makes the call, which is counted. Raises `Refusal` (401, 403, 429)."""
    ip = peer.ip(metadata.get("x-forwarded-for", ""))
    if ip is not None:
        ratelimit.count_ip(ip)
    header = metadata.get("authorization")
    found = credentials.from_header(header) if header is not None else _without_token(peer)
    credentials.check_granted(found, scope)
    ratelimit.count_user(found.user)
    return Caller(
        found.user,
        header,
        ip=ip or "",
        token=found.name,
        binding=bindings.of_credentials(found),
        session=found.session_key,
    )


def check_token(header: str | None) -> None:
    """Raise `Refusal` (401) unless `header`, of a call that must have a token, has a valid one."""
    if header is None:
        raise _unknown()
    credentials.from_header(header)


def confirm() -> None:
    """Check the credentials of the current call again, before something is returned that works without them, or before
    something is kept. Raise `Refusal` (401)."""
    caller = _current.get(None)
    if caller is not None and not caller.is_accepted():
        raise endings.locked_out()


def current() -> Caller:
    """Who makes the call that is being served."""
    return _current.get()


def serve(caller: Caller) -> None:
    """Serve the rest of the call in the name of `caller`."""
    _current.set(caller)
    audit.serve(Origin(Via.GRPC, caller.user, ratelimit.network_of(caller.ip), caller.token))


def _is_valid(header: str) -> bool:
    try:
        credentials.from_header(header)
    except Refusal:
        return False
    return True


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
    raise _unknown()


def _unknown() -> Refusal:
    return credentials.unauthorized(_("Send an API token in the metadata: authorization: Bearer <token>."))


def _active(email: str, message: str) -> User:
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    if user is None:
        raise credentials.unauthorized(message)
    return user
