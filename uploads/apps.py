"""Uploads as an app."""

from django.apps import AppConfig


class UploadsConfig(AppConfig):
    name = "uploads"

    def ready(self) -> None:
        from accounts import holdings as accounts_holdings
        from uploads import counting, holdings  # noqa: F401  (it connects signals)

        accounts_holdings.register(holdings)
