"""Which addresses webhooks may have: public ones, or whoever has an account could make us call our own network.

requests-hardened resolves a name once, refuses what is private, and connects to the very address that it has looked at,
so that a name cannot mean another a moment later. A few kinds of IPv6 addresses that it lets pass are refused here.
"""

import ipaddress
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.utils.translation import gettext as _
from requests_hardened.ip_filter import InvalidIPAddress, filter_host

from accounts.errors import Refusal

MAX_LENGTH = 500
SCHEMES = ("http://", "https://")


def check(url: str) -> None:
    """Raise `Refusal` (400) for an address to which nothing can or may be sent.

    This is to tell people at once. What counts is asked again with every message: a name may lead elsewhere by then.
    """
    if len(url) > MAX_LENGTH or not url.isprintable() or " " in url or not url.lower().startswith(SCHEMES):
        raise _bad(_("Enter a whole address that begins with https:// or http://."))
    try:
        # As it will be read when something is sent: two readings of one address are how filters are deceived.
        parts = urlsplit(requests.Request("POST", url).prepare().url or "")
        host, port = parts.hostname or "", parts.port or 0
    except (requests.RequestException, ValueError):
        raise _bad(_("This is not an address. Check that it is complete.")) from None
    if "@" in parts.netloc:
        raise _bad(_("Leave name and password out of the address. The signature tells who sends."))
    if settings.WEBHOOKS_TO_PRIVATE_ADDRESSES:
        return
    if not has_allowed_port(url):
        ports = ", ".join(map(str, settings.WEBHOOK_PORTS))
        message = _("Webhooks cannot be sent to this port. The ports that can be used are: %(ports)s.")
        raise Refusal("port_not_allowed", message % {"ports": ports}, status=400)
    try:
        check_ip(filter_host(host, port, allow_loopback=False))
    except InvalidIPAddress:
        message = _("This address is not a public one. Webhooks are sent to public addresses alone.")
        raise Refusal("private_address", message, status=400) from None
    except (requests.RequestException, OSError, ValueError):
        raise _bad(_("No machine of this name can be found. Check the address.")) from None


def has_allowed_port(url: str) -> bool:
    """Whether the port is one that web servers have; where private addresses are allowed every port is."""
    if settings.WEBHOOKS_TO_PRIVATE_ADDRESSES:
        return True
    try:
        parts = urlsplit(requests.Request("POST", url).prepare().url or "")
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except (requests.RequestException, ValueError):
        # What cannot be read as an address fails by itself when something is sent.
        return True
    return port in settings.WEBHOOK_PORTS


def check_ip(address: str) -> None:
    """Raise `InvalidIPAddress` for what requests-hardened lets pass and yet is nobody's public address."""
    ip = ipaddress.ip_address(address.strip("[]"))
    site_local = isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local
    # Reserved are, among others, IPv6 addresses that contain an IPv4 one (::10.0.0.1, ::ffff:0:10.0.0.1).
    if not ip.is_global or ip.is_reserved or ip.is_multicast or site_local:
        raise InvalidIPAddress(ip)


def _bad(message: str) -> Refusal:
    return Refusal("bad_url", message, status=400)
