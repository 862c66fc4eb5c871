"""What the templates of all pages know besides what Django and the views give them."""

from django.conf import settings
from django.http import HttpRequest


def registration(request: HttpRequest) -> dict[str, bool]:
    """Whether links to the sign-up are shown."""
    return {"registration_open": settings.REGISTRATION_OPEN}
