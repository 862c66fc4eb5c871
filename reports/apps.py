"""Reports as an app."""

from django.apps import AppConfig


class ReportsConfig(AppConfig):
    name = "reports"

    def ready(self) -> None:
        from accounts import holdings as accounts_holdings
        from reports import holdings, quota, receivers, worker  # noqa: F401  (they connect signals)
        from uploads import lifecycle

        accounts_holdings.register(holdings)
        lifecycle.also_stored.append(quota.beyond_files)
