"""For operators and load balancers: is the process alive, and can it do its work?"""

import logging
import threading
import time
from collections.abc import Callable

from celery import current_app
from channels.layers import get_channel_layer
from django.core.files.storage import default_storage
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache

from accounts import metrics
from reports import loop
from salesagg.core import disk

logger = logging.getLogger(__name__)

# A service that hangs must not hang the answer: whoever asks gives up after some seconds, and knows less.
PATIENCE_SECONDS = 4.0
# Anybody may ask, so what was found holds for a moment.
CACHE_SECONDS = 1.0


@never_cache
def alive(request: HttpRequest) -> HttpResponse:
    """The process answers. Not a word of the services behind it: a broken one is no reason to restart this."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Each service with "ok" or "failing"; 503 when one fails. Why it fails is for the log, not for the world."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    looks = {name: check.begin() for name, check in CHECKS.items()}
    answers = {name: "ok" if look.is_fine(deadline) else "failing" for name, look in looks.items()}
    return JsonResponse(answers, status=200 if set(answers.values()) == {"ok"} else 503)


class _Look:
    """One look at a service, in a thread of its own, for whoever asks meanwhile."""

    def __init__(self, name: str, look: Callable[[], object]) -> None:
        self._name = name
        self._look = look
        self._fine = False
        self._done = threading.Event()
        self._began = time.monotonic()
        threading.Thread(target=self._run, name=f"ready-{name}", daemon=True).start()

    @property
    def is_of_use(self) -> bool:
        """While it goes on, so that of those that hang there is one alone; then for a moment."""
        return not self._done.is_set() or time.monotonic() - self._began < CACHE_SECONDS

    def is_fine(self, deadline: float) -> bool:
        # One that hung before has had its time.
        if self._done.wait(max(min(deadline, self._began + PATIENCE_SECONDS) - time.monotonic(), 0)):
            return self._fine
        logger.warning("%s is not ready: it does not answer", self._name)
        return False

    def _run(self) -> None:
        try:
            self._look()
            self._fine = True
        except Exception as error:
            metrics.note_failure(error)
            logger.warning("%s is not ready", self._name, exc_info=True)
        finally:
            connection.close()
            self._done.set()


class _Check:
    """A service, and the latest look at it."""

    def __init__(self, name: str, look: Callable[[], object]) -> None:
        self._name = name
        self._look = look
        self._lock = threading.Lock()
        self._latest: _Look | None = None

    def begin(self) -> _Look:
        with self._lock:
            if self._latest is None or not self._latest.is_of_use:
                self._latest = _Look(self._name, self._look)
            return self._latest

    def forget(self) -> None:
        """Look anew next time; for tests."""
        self._latest = None


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


_migrated = False


def _migrations() -> None:
    """Its tables are those of this version, or a newer one's. That stays so."""
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        behind = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if behind:
            raise RuntimeError(f"migrations are not applied: {behind[0][0]} and {len(behind) - 1} more")
        _migrated = True


def _broker() -> None:
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=2)


def _storage() -> None:
    default_storage.exists("readyz")
    disk.check()


def _channels() -> None:
    loop.run(get_channel_layer().group_send("readyz", {"type": "nobody"}), timeout=PATIENCE_SECONDS)


CHECKS = {
    name: _Check(name, look)
    for name, look in {
        "database": _database,
        "migrations": _migrations,
        "broker": _broker,
        "storage": _storage,
        "channels": _channels,
    }.items()
}
