"""How many streams each person has open at this process: sockets of pages, server-sent events, watching by gRPC.

One costs some ten kilobytes and a reading every few seconds, for as long as it is open. A program that opens one after
the other without an end, as one with a fault does, must not take what everybody's pages need.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.errors import Refusal

CODE = "too_many_streams"
# When one who was refused may try again.
RETRY_SECONDS = 15

_open: Counter[int] = Counter()
_lock = threading.Lock()


def check(owner_id: int) -> None:
    """Raise `Refusal` (429) when another stream of that person would be one too many."""
    limit = settings.MAX_OPEN_STREAMS
    if limit and _open[owner_id] >= limit:
        message = _("You have %(limit)s pages or programs open that watch jobs. Close some, then try again.")
        raise Refusal(CODE, message % {"limit": limit}, status=429, headers={"Retry-After": str(RETRY_SECONDS)})


@contextlib.contextmanager
def counted(owner_id: int) -> Iterator[None]:
    """A stream of that person's is open meanwhile."""
    with _lock:
        _open[owner_id] += 1
    try:
        yield
    finally:
        with _lock:
            _open[owner_id] -= 1
            if not _open[owner_id]:
                del _open[owner_id]


def of(owner_id: int) -> int:
    """How many there are."""
    return _open[owner_id]
