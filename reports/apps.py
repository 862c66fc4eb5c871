"""Reports as an app."""

from django.apps import AppConfig


class ReportsConfig(AppConfig):
    name = "reports"

    def ready(self) -> None:
        from reports import receivers, worker  # noqa: F401  (they connect signals)
