"""Who a program is, by what it sends in the header ``Authorization: Bearer …``: an API token or a JSON Web Token."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts import jwts, sessions, tokens
from accounts.errors import Refusal, password_change_required
from accounts.models import User
from salesagg.core import trusted_request

READ, WRITE = "read", "write"
EVERYTHING = frozenset((READ, WRITE))
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Credentials:
    """A user, and what may be done in their name."""

    user: User
    scopes: frozenset[str]
    # What the API token is called, if it is one.
    name: str = ""
    # The API token's id, or the key of the session that the JSON Web Token belongs to.
    token_id: int | None = None
    session_key: str = ""


@dataclass(frozen=True)
class Proof:
    """What a connection that stays open was opened with: the value of an Authorization header, or a session's key."""

    user_id: int
    header: str | None = None
    session_key: str | None = None


def proof_of(request: HttpRequest) -> Proof:
    """What the request of a user came with. A token counts alone, as everywhere."""
    header = trusted_request.authorization(request)
    assert isinstance(request.user, User)
    return Proof(request.user.pk, header, None if header is not None else request.session.session_key)


def is_good(proof: Proof, *, needed: str = READ) -> bool:
    """Whether a connection that was opened with `proof` may stay open. Sockets, event streams and calls ask every few
    seconds; it takes one or two queries by unique keys.

    It is not after a new password, a lock or deletion of the account, a log-out or end of the session, or when the
    token has expired, was revoked, or may no longer do what is needed.
    """
    if proof.header is None:
        user = sessions.user_of(proof.session_key)
        return user is not None and user.pk == proof.user_id
    try:
        found = from_header(proof.header)
        check_granted(found, needed)
    except Refusal:
        return False
    return found.user.pk == proof.user_id


def from_header(header: str) -> Credentials:
    """The credentials in the value of an Authorization header. Raises `Refusal` (401)."""
    scheme, _space, secret = header.partition(" ")
    found = of(secret.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        message = _("This token is not valid. It may have expired, or been revoked.")
        raise unauthorized(message, challenge='Bearer realm="salesagg", error="invalid_token"')
    return found


def of(secret: str) -> Credentials | None:
    """Whose token `secret` is, if it is a valid one."""
    if secret.startswith(tokens.PREFIX):
        token = tokens.find(secret)
        return Credentials(token.user, frozenset(token.scopes.split()), token.name, token.pk) if token else None
    claims = jwts.read(secret, jwts.ACCESS)
    user = jwts.user_of(claims)
    if claims is None or user is None:
        return None
    sessions.note_use(claims.session_key)
    return Credentials(user, EVERYTHING, session_key=claims.session_key)


def check_scope(request: HttpRequest, credentials: Credentials) -> None:
    """Raise `Refusal` (403) when the request needs more than its credentials were given."""
    check_granted(credentials, READ if request.method in _SAFE_METHODS else WRITE)


def check_granted(credentials: Credentials, needed: str) -> None:
    """Raise `Refusal` (403) when the credentials were given without the scope that is `needed`, or open nothing yet."""
    # Here, since every request with a token or certificate comes past.
    if credentials.user.must_change_password:
        raise password_change_required()
    if needed not in credentials.scopes:
        raise Refusal(
            "insufficient_scope",
            _("This needs the scope “%(scope)s”, which your token does not have.") % {"scope": needed},
            status=403,
            headers={"WWW-Authenticate": f'Bearer realm="salesagg", error="insufficient_scope", scope="{needed}"'},
        )


def unauthorized(message: str, *, challenge: str = 'Bearer realm="salesagg"') -> Refusal:
    return Refusal("unauthorized", message, status=401, headers={"WWW-Authenticate": challenge})
