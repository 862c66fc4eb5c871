"""Counting requests, so that one caller's loop does not slow everybody else.

Counted in the cache, which all processes share, in windows of a minute. While that is away each process counts for
itself (see `accounts.cache`); where nothing can be counted everybody is served: a
limit that fails must not be an outage.
"""

import logging
import time

from allauth.core.internal.ratelimit import truncate_ip
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.utils.translation import ngettext

from accounts.errors import Refusal
from accounts.models import User
from salesagg.core import trusted_request

logger = logging.getLogger(__name__)
WINDOW_SECONDS = 60


def count_user(user: User) -> None:
    """Count a request in the name of `user`, whichever token or session it came with. Raises `Refusal` (429)."""
    _consume(f"user:{user.pk}", limit=settings.API_REQUESTS_PER_MINUTE)


def count_address(request: HttpRequest) -> None:
    """Count a request from its address, whoever sends it; a network of IPv6 is one address. Raises `Refusal` (429)."""
    address = address_of(request)
    if address:
        _consume_address(address)


def count_upload(request: HttpRequest, user: User) -> None:
    """Count the creation of an upload, for `user` and for the address. Raises `Refusal` (429)."""
    _consume(f"uploads:user:{user.pk}", limit=settings.UPLOADS_PER_MINUTE)
    if address := address_of(request):
        _consume(f"uploads:address:{address}", limit=settings.UPLOADS_PER_MINUTE_PER_ADDRESS)


def count_chunk(user: User) -> None:
    """Count a request to /uploads/ for `user`. Raises `Refusal` (429)."""
    _consume(f"chunks:user:{user.pk}", limit=settings.CHUNKS_PER_MINUTE)


def count_chunk_address(request: HttpRequest) -> None:
    """Count a request to /uploads/ for its address, before anything is known of its user. Raises `Refusal` (429)."""
    if address := address_of(request):
        _consume(f"chunks:address:{address}", limit=settings.CHUNKS_PER_MINUTE_PER_ADDRESS)


def address_of(request: HttpRequest) -> str:
    """From where a request comes; a network of IPv6 is one address. Empty as behind a server on a Unix socket: nobody
    has one then, and all of them are not one caller."""
    return network_of(trusted_request.client_ip(request))


def count_ip(ip: str) -> None:
    """The same for what comes otherwise than by HTTP."""
    _consume_address(network_of(ip))


def count(what: str, *, limit: int) -> None:
    """Count a request for `what`, of which `limit` a minute are served; 0 is any number. Counting and checking are one
    step. Raises `Refusal` (429)."""
    _consume(what, limit=limit)


def network_of(ip: str) -> str:
    """The address as it is counted: a network of IPv6 is one."""
    return str(truncate_ip(ip)) if ip else ""


def _consume_address(address: str) -> None:
    _consume(f"address:{address}", limit=settings.API_REQUESTS_PER_MINUTE_PER_ADDRESS)


def _consume(who: str, *, limit: int) -> None:
    """Count a request of `who`, of whom `limit` a minute are served; 0 is any number. Raises `Refusal` (429)."""
    if not limit:
        return
    window, into = divmod(time.time(), WINDOW_SECONDS)
    key = f"ratelimit:{who}:{window:.0f}"
    try:
        count = _count(key)
    except ValueError:
        # Thrown out of the cache between the two: it is full, and the count begins anew.
        return
    except Exception as error:
        logger.warning("requests are not counted: %r", error)
        return
    if count > limit:
        wait = int(WINDOW_SECONDS - into) + 1
        raise Refusal(
            "too_many_requests",
            ngettext(
                "More than %(limit)s requests a minute. Wait %(wait)s second, then go on more slowly.",
                "More than %(limit)s requests a minute. Wait %(wait)s seconds, then go on more slowly.",
                wait,
            )
            % {"limit": limit, "wait": wait},
            status=429,
            headers={"Retry-After": str(wait)},
        )


def _count(key: str) -> int:
    """Add one to the counter `key`, which is made by the first request of its minute."""
    try:
        return int(cache.incr(key))
    except ValueError:
        # Of two first requests at once only one makes it.
        cache.add(key, 0, timeout=2 * WINDOW_SECONDS)
    return int(cache.incr(key))
