"""Where what is done by HTTP comes from, for the audit log."""

from django.http import HttpRequest
from django.urls import reverse

from accounts import ratelimit
from accounts.acts import Via
from accounts.audit import Origin
from accounts.credentials import Credentials
from accounts.models import User
from salesagg.core import trusted_request


def of(request: HttpRequest) -> Origin:
    """As it is known now: views log people in and out."""
    credentials: Credentials | None = getattr(request, "credentials", None)
    user = getattr(request, "user", None)
    return Origin(
        via=_via(request, credentials),
        user=user if isinstance(user, User) else None,
        address=ratelimit.address_of(request),
        token=credentials.name if credentials else "",
    )


def _via(request: HttpRequest, credentials: Credentials | None) -> Via:
    if trusted_request.is_api(request) or credentials is not None:
        return Via.API
    return Via.ADMIN if request.path_info.startswith(reverse("admin:index")) else Via.PAGE
