"""Who a program is, by what it sends in the header ``Authorization: Bearer …``: an API token or a JSON Web Token."""

from dataclasses import dataclass

from allauth.headless.tokens.strategies.jwt.internal import session_key_from_sid, validate_access_token
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts import sessions, tokens
from accounts.errors import Refusal
from accounts.models import User

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
    validated = validate_access_token(secret)
    if validated is None:
        return None
    user, claims = validated
    if not isinstance(user, User) or not user.is_active:
        return None
    session_key = session_key_from_sid(claims["sid"])
    sessions.note_use(session_key)
    return Credentials(user, EVERYTHING, session_key=session_key or "")


def check_scope(request: HttpRequest, credentials: Credentials) -> None:
    """Raise `Refusal` (403) when the request needs more than its credentials were given."""
    check_granted(credentials, READ if request.method in _SAFE_METHODS else WRITE)


def check_granted(credentials: Credentials, needed: str) -> None:
    """Raise `Refusal` (403) when the credentials were given without the scope that is `needed`."""
    if needed not in credentials.scopes:
        raise Refusal(
            "insufficient_scope",
            _("This needs the scope “%(scope)s”, which your token does not have.") % {"scope": needed},
            status=403,
            headers={"WWW-Authenticate": f'Bearer realm="salesagg", error="insufficient_scope", scope="{needed}"'},
        )


def unauthorized(message: str, *, challenge: str = 'Bearer realm="salesagg"') -> Refusal:
    return Refusal("unauthorized", message, status=401, headers={"WWW-Authenticate": challenge})
