"""Errors to a Sentry and traces to an OpenTelemetry collector, each only where a setting names one.

Their packages (`requirements-observe.txt`) are imported only then. Neither is told what people send: no request's body,
no cookies, no addresses with what stands after the question mark, no account but by its number.
"""

import importlib
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from accounts import logcontext, spans
from salesagg import logs, version


def begin() -> None:
    """In each process, once, when its apps are ready."""
    if settings.SENTRY_DSN:
        _tell_errors()
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        _tell_traces()


def _tell_errors() -> None:
    sentry = _imported("sentry_sdk", setting="SENTRY_DSN")
    celery = _imported("sentry_sdk.integrations.celery", setting="SENTRY_DSN")
    django = _imported("sentry_sdk.integrations.django", setting="SENTRY_DSN")
    sentry.init(
        dsn=settings.SENTRY_DSN,
        release=f"salesagg@{version.VERSION}",
        integrations=[django.DjangoIntegration(), celery.CeleryIntegration()],
        send_default_pii=False,
        max_request_body_size="never",
        # Values of variables may be anything: rows of a file, passwords.
        include_local_variables=False,
        before_send=_without_secrets,
        before_breadcrumb=lambda crumb, hint: None,
    )


def _without_secrets(event: dict[str, Any], hint: Any) -> dict[str, Any]:
    """What it is about, as in the logs; and nothing that they would not tell."""
    event.setdefault("tags", {}).update(logcontext.current())
    request = event.get("request", {})
    for name in ("query_string", "cookies", "data", "headers", "env"):
        request.pop(name, None)
    cleaned: dict[str, Any] = _cleaned(event)
    return cleaned


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return logs.without_secrets(value)
    if isinstance(value, dict):
        return {key: _cleaned(inner) for key, inner in value.items()}
    return [_cleaned(inner) for inner in value] if isinstance(value, list) else value


def _tell_traces() -> None:
    def load(name: str) -> Any:
        return _imported(f"opentelemetry.{name}", setting="OTEL_EXPORTER_OTLP_ENDPOINT")

    resource = {"service.name": "salesagg", "service.version": version.VERSION}
    provider = load("sdk.trace").TracerProvider(resource=load("sdk.resources").Resource.create(resource))
    address = f"{settings.OTEL_EXPORTER_OTLP_ENDPOINT.rstrip('/')}/v1/traces"
    exporter = load("exporter.otlp.proto.http.trace_exporter").OTLPSpanExporter(endpoint=address)
    provider.add_span_processor(load("sdk.trace.export").BatchSpanProcessor(exporter))
    load("trace").set_tracer_provider(provider)
    load("instrumentation.celery").CeleryInstrumentor().instrument()
    load("instrumentation.psycopg").PsycopgInstrumentor().instrument()
    spans.server_kind = load("trace").SpanKind.SERVER
    spans.tracer, spans.extract = load("trace").get_tracer("salesagg"), load("propagate").extract


def _imported(name: str, *, setting: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImproperlyConfigured(
            f"{setting} is set, but {error.name} is not installed. Install the packages of requirements-observe.txt."
        ) from error
