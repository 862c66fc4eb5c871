"""How many streams each person has open at this process: sockets of pages, server-sent events, watching by gRPC.

One costs some ten kilobytes and a reading every few seconds, for as long as it is open. A program that opens one after
the other without an end, as one with a fault does, must not take what everybody's pages need.
"""

import threading
import weakref
from collections import Counter

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.errors import Refusal

CODE = "too_many_streams"
# When one who was refused may try again.
RETRY_SECONDS = 15

_open: Counter[int] = Counter()
# Reentrant: a reservation may be collected, and so given back, while its thread counts another.
_lock = threading.RLock()


class Reservation:
    """A place among the open streams of a person, held until `release` or the end of a with block.

    A place whose stream is lost on the way, as that of a client who left before its answer began, comes back when the
    reservation is no longer referred to.
    """

    def __init__(self, owner_id: int) -> None:
        # At most once, however often it is called.
        self.release = weakref.finalize(self, _give_back, owner_id)

    def __enter__(self) -> "Reservation":
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def reserve(owner_id: int) -> Reservation:
    """Count another stream of that person, in one step with the check. Raises `Refusal` (429) at the limit."""
    limit = settings.MAX_OPEN_STREAMS
    with _lock:
        if limit and _open[owner_id] >= limit:
            raise _too_many(limit)
        _open[owner_id] += 1
    return Reservation(owner_id)


def of(owner_id: int) -> int:
    """How many there are."""
    return _open[owner_id]


def _give_back(owner_id: int) -> None:
    with _lock:
        _open[owner_id] -= 1
        if not _open[owner_id]:
            del _open[owner_id]


def _too_many(limit: int) -> Refusal:
    message = _("You have %(limit)s pages or programs open that watch jobs. Close some, then try again.")
    return Refusal(CODE, message % {"limit": limit}, status=429, headers={"Retry-After": str(RETRY_SECONDS)})
