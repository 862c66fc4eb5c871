"""What allauth asks us: how its mails call the site, and where their links lead.

By default both are taken from the request's Host header. Whoever asks for somebody's new password chooses that, where a
site answers to several names, and the mail would lead there with the key. Settings say what the site is called.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context as current
from django.conf import settings


@dataclass(frozen=True)
class Site:
    """As templates of mails have it."""

    domain: str
    name: str = "Salesagg"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        root = current.request.build_absolute_uri("/")
        told = {name: _at_home(value, root) for name, value in context.items()}
        told["current_site"] = Site(urlsplit(settings.SITE_URL).netloc)
        super().send_mail(template_prefix, email, told)


def _at_home(value: Any, root: str) -> Any:
    """A link, with the site's own address in place of the request's `root`."""
    if isinstance(value, str) and value.startswith(root):
        return f"{settings.SITE_URL}/{value.removeprefix(root)}"
    return value
