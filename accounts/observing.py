"""The middleware by which logs and figures know of a request what only Django does: who asks, and by which route.

The rest is known to the server around it (`salesagg.observing`). Where there is none, in tests and other servers, the
request's id is made here.
"""

import sys
from collections.abc import Callable
from typing import Any

from django.core.signals import got_request_exception
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase
from django.urls import ResolverMatch

from accounts import logcontext, metrics
from accounts.models import User
from salesagg.core import trusted_request

# Parts of addresses that are as good as a password: who knows them gets in.
SECRETS = ("token", "key", "signature", "uidb36")
HIDDEN = "***"


class ObservingMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if logcontext.is_begun():
            return self._observed(request)
        with logcontext.about(request=logcontext.accepted(trusted_request.requested_id(request.headers))):
            return self._observed(request)

    def _observed(self, request: HttpRequest) -> HttpResponseBase:
        request.request_id = logcontext.request_id()  # type: ignore[attr-defined]
        note_user(request.user)
        response = self.get_response(request)
        # A token may have told another.
        note_user(request.user)
        match = request.resolver_match
        known: dict[str, Any] = getattr(request, "scope", {})
        known["salesagg.route"] = route_of(match)
        known["salesagg.path"] = shown_path(request.path, match)
        code = getattr(response, "refused_as", "")
        if code and response.status_code != 500:
            metrics.REFUSALS.labels(surface_of(request.path), code).inc()
        elif response.status_code >= 500:
            metrics.ERRORS.labels(surface_of(request.path)).inc()
        response.headers[logcontext.HEADER] = logcontext.request_id()
        return response


def note_user(user: object) -> None:
    """Lines of this request are about `user`, if it is one."""
    if isinstance(user, User):
        logcontext.note(user=user.pk)


def surface_of(path: str) -> str:
    """Which of our surfaces an address belongs to."""
    if trusted_request.is_api_path(path):
        return "api"
    if trusted_request.is_upload_path(path):
        return "tus"
    return "page"


def route_of(match: ResolverMatch | None) -> str:
    """The route by its pattern, of which there are few; the many of the admin are one."""
    if match is None:
        return "none"
    return "admin/" if match.route.startswith("admin/") else match.route or "/"


def shown_path(path: str, match: ResolverMatch | None) -> str:
    """`path` for the log, without what is as good as a password."""
    if match is not None:
        for name in SECRETS:
            if secret := match.kwargs.get(name):
                path = path.replace(str(secret), HIDDEN)
    return path


@receiver(got_request_exception)
def count_failure(sender: Any, **kwargs: Any) -> None:
    metrics.note_failure(sys.exc_info()[1])
