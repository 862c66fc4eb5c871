"""The project as an app: its commands and its checks."""

from django.apps import AppConfig


class SalesaggConfig(AppConfig):
    name = "salesagg"

    def ready(self) -> None:
        from salesagg import checks  # noqa: F401  (registers the checks)
