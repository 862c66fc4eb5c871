"""What a Celery worker is told by us, not by Celery: how to write its log, and where to tell its figures."""

import logging
from typing import Any

from celery.signals import setup_logging, worker_ready

from salesagg import exposition


@setup_logging.connect
def keep_our_logging(loglevel: Any = None, **kwargs: Any) -> None:
    """That somebody listens keeps Celery from setting up its own. Its ``--loglevel`` is for what Celery says."""
    if isinstance(loglevel, int):
        for name in ("celery", "kombu"):
            logging.getLogger(name).setLevel(loglevel)


@worker_ready.connect
def tell_figures(**kwargs: Any) -> None:
    """Now that the pool's processes have been forked, which have no threads of this one's."""
    exposition.serve()
