"""The thread in each worker that sends messages: not as tasks, or a receiver that hangs would hold somebody's job.

A few are sent side by side, each in a thread of its own for which nobody waits at the end: what is cut off is sent
again. One webhook has one at a time and one person two, so that receivers that hang hold up nobody else's.
"""

import logging
import random
import threading
import time
import uuid
from collections import Counter

from django.db import connection

from reports.models import Delivery
from reports.webhooks import outbox, sending

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
AT_ONCE = 8
AT_ONCE_FOR_ONE_PERSON = 2


class Deliverer:
    """Sends what is due until it is stopped."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        # What is being sent: its thread, its webhook and whose that is. Only the thread above adds to it.
        self._sending: dict[uuid.UUID, tuple[threading.Thread, uuid.UUID, int]] = {}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask it to begin nothing more."""
        self._stopped.set()
        outbox.wake.set()

    def join(self, timeout: float) -> None:
        """Wait until it has ended, and for so long for what is still being sent."""
        end = time.monotonic() + timeout
        for thread in (self._thread, *(thread for thread, _webhook, _owner in list(self._sending.values()))):
            thread.join(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        while not self._stopped.is_set():
            outbox.wake.clear()
            try:
                self._begin_what_is_due()
            except Exception:
                logger.exception("looking for webhooks' messages failed; it is tried again")
                connection.close()
            # Jitter, so that many workers do not look at the same moment.
            outbox.wake.wait(POLL_SECONDS * random.uniform(0.7, 1.3))  # noqa: S311  (not for secrets)
        connection.close()

    def _begin_what_is_due(self) -> None:
        while len(self._sending) < AT_ONCE and not self._stopped.is_set():
            found = self._next()
            if found is None:
                return
            thread = threading.Thread(target=self._send, args=[found.pk], name="webhook", daemon=True)
            self._sending[found.pk] = (thread, found.webhook_id, found.webhook.owner_id)
            thread.start()

    def _next(self) -> Delivery | None:
        busy = list(self._sending.values())
        owners = Counter(owner for _thread, _webhook, owner in busy)
        free = sending.due().exclude(webhook__in=[webhook for _thread, webhook, _owner in busy])
        full = [owner for owner, count in owners.items() if count >= AT_ONCE_FOR_ONE_PERSON]
        return free.exclude(webhook__owner__in=full).select_related("webhook").first()

    def _send(self, pk: uuid.UUID) -> None:
        try:
            sending.attempt(pk)
        except Exception:
            # The claim ends by itself. Without one, the next look finds it again.
            logger.exception("message %s was not sent, or not written down; it is tried again", pk)
            self._forget(pk)
        else:
            self._forget(pk)
            # There is room for another.
            outbox.wake.set()

    def _forget(self, pk: uuid.UUID) -> None:
        connection.close()
        del self._sending[pk]
