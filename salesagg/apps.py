"""The project as an app: its commands and its checks."""

from django.apps import AppConfig


class SalesaggConfig(AppConfig):
    name = "salesagg"

    def ready(self) -> None:
        from salesagg import checks, telling, worker  # noqa: F401  (they register checks, and connect signals)

        telling.begin()
