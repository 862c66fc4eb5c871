"""Every test begins with services that have not failed yet."""

import pytest

from reports import events, hints
from reports.outage import Outage


@pytest.fixture(autouse=True)
def _no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "_outage", Outage(seconds=60))
    monkeypatch.setattr(events, "_outage", Outage(seconds=60))
