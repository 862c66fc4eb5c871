"""Headers that every answer has besides those of Django and of the content security policy.

For what Django answers by the middleware; what is answered in front of it calls `add`.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from accounts.models import User

# Whatever a page could ask for and ours do not, as far as Chromium knows of it: of other names its console complains.
_NOT_USED = (
    *("accelerometer", "autoplay", "browsing-topics", "camera"),
    *("compute-pressure", "display-capture", "encrypted-media", "fullscreen", "gamepad", "geolocation", "gyroscope"),
    *("hid", "identity-credentials-get", "idle-detection", "keyboard-map", "local-fonts", "magnetometer"),
    *("microphone", "midi", "otp-credentials", "payment", "picture-in-picture"),
    *("screen-wake-lock", "serial", "storage-access", "usb"),
    *("window-management", "xr-spatial-tracking"),
)
# Buttons that copy, and passkeys.
_USED = ("clipboard-write", "publickey-credentials-create", "publickey-credentials-get")
HEADERS = {
    "Permissions-Policy": ", ".join(
        (*(f"{feature}=()" for feature in _NOT_USED), *(f"{feature}=(self)" for feature in _USED))
    ),
    # No page of another site shows or measures what is ours; those that may call by gRPC-Web do so by CORS.
    "Cross-Origin-Resource-Policy": "same-origin",
}
# What a browser shows again when somebody goes back, or opens from its disk, after the person has logged out.
_READABLE = ("text/html", "application/json", "application/problem+json")


class HeadersMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        add(response)
        if _is_private(request) and response.headers.get("Content-Type", "").partition(";")[0] in _READABLE:
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response


def add(response: HttpResponseBase) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


def _is_private(request: HttpRequest) -> bool:
    return isinstance(getattr(request, "user", None), User)
