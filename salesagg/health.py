"""For operators and load balancers: is the process alive, and can it do its work?"""

import logging
from collections.abc import Callable

from celery import current_app
from django.core.files.storage import default_storage
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache

logger = logging.getLogger(__name__)


@never_cache
def alive(request: HttpRequest) -> HttpResponse:
    """The process answers. Not a word of the services behind it: a broken one is no reason to restart this."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Each service with "ok" or "failing"; 503 when one fails. Why it fails is for the log, not for the world."""
    answers = {name: _try(name, check) for name, check in CHECKS.items()}
    return JsonResponse(answers, status=200 if set(answers.values()) == {"ok"} else 503)


def _try(name: str, check: Callable[[], object]) -> str:
    try:
        check()
    except Exception:
        logger.warning("%s is not ready", name, exc_info=True)
        return "failing"
    return "ok"


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _broker() -> None:
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=2)


def _storage() -> None:
    default_storage.exists("readyz")


CHECKS: dict[str, Callable[[], object]] = {"database": _database, "broker": _broker, "storage": _storage}
