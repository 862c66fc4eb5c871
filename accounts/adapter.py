"""What allauth asks us: how its mails call the site, and where their links lead.

By default both are taken from the request's Host header. Whoever asks for somebody's new password chooses that, where a
site answers to several names, and the mail would lead there with the key. Settings say what the site is called.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from salesagg.core import trusted_request


@dataclass(frozen=True)
class Site:
    """As templates of mails have it."""

    domain: str
    name: str = "Salesagg"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        # Links in the context begin with SITE_URL already, see `salesagg.core.trusted_request.SiteUrlMiddleware`.
        site = Site(urlsplit(settings.SITE_URL).netloc)
        super().send_mail(template_prefix, email, {**context, "current_site": site})

    def get_client_ip(self, request: HttpRequest) -> str:
        ip = trusted_request.client_ip(request)
        if not ip:
            raise PermissionDenied("The IP address of the client is not known.")
        return ip
