"""Who is calling: for the views that programs use as well as people."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _

from accounts.credentials import unauthorized
from accounts.models import User

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def accepts_token(view: View) -> View:
    """Mark `view` as one that may be called with an API token as well as with a session (see `TokenMiddleware`)."""
    marked: Any = view
    marked.accepts_token = True
    return view


def require_user(request: HttpRequest) -> User:
    """The user that calls. Raises `Refusal` (401) for an anonymous caller."""
    if not isinstance(request.user, User):
        raise unauthorized(_("Log in, or send a token as “Authorization: Bearer …”."))
    return request.user
