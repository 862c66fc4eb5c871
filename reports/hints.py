"""Hints to the workers: a message that says "look", and nothing else.

A hint may be lost, doubled or late without harm; the sweeper finds what no hint announced. So a broker that is down
must not fail the upload that wanted to send one.
"""

import logging

from celery import current_app
from kombu.exceptions import OperationalError

from accounts import metrics
from accounts.outage import Outage

logger = logging.getLogger(__name__)

TASK = "reports.tasks.claim_next"
# A hint that nobody took by then is worth nothing: the sweeper has looked many times since.
EXPIRES_SECONDS = 60
# A broker that hangs costs the socket's timeout; pay that once, not with every chunk of an upload.
_outage = Outage(seconds=5.0)


def send() -> bool:
    """Ask a worker to claim the next job; returns whether the broker took the message."""
    if _outage.is_on:
        return False
    try:
        # By name: the task's module imports the whole of the work, which whoever sends a hint need not know.
        current_app.send_task(TASK, expires=EXPIRES_SECONDS)
    except (OperationalError, OSError) as error:
        _outage.begin()
        metrics.HINTS.labels("failed").inc()
        metrics.FAILURES.labels("broker").inc()
        logger.warning("hint not sent, the sweeper will find the work: %s", error)
        return False
    metrics.HINTS.labels("sent").inc()
    return True
