"""The project as an app: its commands and its checks."""

from django.apps import AppConfig


class SalesaggConfig(AppConfig):
    name = "salesagg"

    def ready(self) -> None:
        # Celery's application here and not in the package's __init__: small programs, such as the probe that
        # containers run every 10 s, import the package and need no Celery.
        from salesagg import celery, checks, telling, worker  # noqa: F401  (they register checks, and connect signals)

        telling.begin()
