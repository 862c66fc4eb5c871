"""Steps of the work that are measured, and traced where somebody has asked for traces (`salesagg.telling`)."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from accounts import logcontext, metrics

# OpenTelemetry's, where it is set up.
tracer: Any = None
# Gives, of the headers of a request, the trace that it belongs to.
extract: Any = None
# OpenTelemetry's name for spans of a server.
server_kind: Any = None


@contextmanager
def request(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[Any]:
    """While a request is served: its span, to be named and described at its end; None without traces."""
    if tracer is None:
        yield None
        return
    carrier = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
    with tracer.start_as_current_span("request", context=extract(carrier), kind=server_kind) as span:
        yield span


@contextmanager
def window_step(step: str, **facts: object) -> Iterator[None]:
    """Reading, folding or committing a window of a job."""
    with metrics.WINDOW_SECONDS.labels(step).time():
        if tracer is None:
            yield
        else:
            with tracer.start_as_current_span(f"window {step}", attributes=_named({**logcontext.current(), **facts})):
                yield


def described() -> dict[str, str]:
    """What is going on, as attributes of a span."""
    return _named(logcontext.current())


def _named(facts: Any) -> dict[str, str]:
    return {f"salesagg.{name}": str(fact) for name, fact in facts.items()}
