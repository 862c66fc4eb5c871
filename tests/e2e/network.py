"""The connection of a page under test, and what it has sent over it."""

from playwright.sync_api import Locator, Page


class Network:
    """The page's connection, which can be slow or away."""

    def __init__(self, page: Page, *, bytes_per_second: int = 20_000_000) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Network.enable")
        self.bytes_per_second = bytes_per_second
        self.set(offline=False)

    def set(self, *, offline: bool) -> None:
        speed = {"latency": 5, "downloadThroughput": -1, "uploadThroughput": self.bytes_per_second}
        self._session.send("Network.emulateNetworkConditions", {"offline": offline, **speed})


def value_of(bar: Locator) -> float:
    value: float = bar.evaluate("bar => bar.value")
    return value


def wait_for_growth(bar: Locator, *, above: float) -> float:
    """Wait until the bar stands above a value, and return where it stands."""
    bar.page.wait_for_function("([bar, above]) => bar.value > above", arg=[bar.element_handle(), above])
    return value_of(bar)
