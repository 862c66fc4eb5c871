"""Reports as an app."""

from django.apps import AppConfig


class ReportsConfig(AppConfig):
    name = "reports"

    def ready(self) -> None:
        from accounts import holdings as accounts_holdings
        from reports import holdings, receivers, worker  # noqa: F401  (they connect signals)

        accounts_holdings.register(holdings)
