"""What every answer below /uploads/ has, whichever part of the product gives it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from salesagg.core import trusted_request
from uploads import protocol


class TusVersionMiddleware:
    """Add `Tus-Resumable`, which tus asks of every answer: also of one that no view of tus gives, such as a 401."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if trusted_request.is_upload_path(request.path_info):
            response.headers.setdefault("Tus-Resumable", protocol.VERSION)
        return response
