"""What is observed of a call: an id, told in the trailing metadata, a line in the log, and figures."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from grpc import StatusCode

from accounts import logcontext, metrics

logger = logging.getLogger("reports.access")
KEY = logcontext.HEADER.lower()
_by_number = {code.value[0]: code.name for code in StatusCode}


@contextmanager
def observed(context: Any, method: str) -> Iterator[None]:
    """Around all that serves the call of `method`, one of ours."""
    given = next((value for key, value in context.invocation_metadata() if key == KEY), None)
    name, began = method.rpartition("/")[2], time.perf_counter()
    with logcontext.about(request=logcontext.accepted(given if isinstance(given, str) else None)):
        context.set_trailing_metadata(trailing())
        cancelled = False
        try:
            yield
        except asyncio.CancelledError:
            cancelled = True
            raise
        finally:
            seconds = time.perf_counter() - began
            code = "CANCELLED" if cancelled else _code(context)
            metrics.GRPC_CALLS.labels(name, code).inc()
            metrics.GRPC_SECONDS.labels(name).observe(seconds)
            if settings.ACCESS_LOG:
                facts = {"method": name, "status": code, "ms": round(seconds * 1000, 1)}
                logger.info("%s %s %s ms", *facts.values(), extra=facts)


def trailing() -> tuple[tuple[str, str], ...]:
    return ((KEY, logcontext.request_id()),)


def _code(context: Any) -> str:
    code = context.code() or StatusCode.OK
    return code.name if isinstance(code, StatusCode) else _by_number.get(code, "UNKNOWN")
