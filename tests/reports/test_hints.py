"""Hints may be lost, and must not cost more than they are worth."""

from typing import Any

import pytest
from celery import current_app
from kombu.exceptions import OperationalError

from accounts.outage import Outage
from reports import hints

pytestmark = pytest.mark.services


def test_a_hint_is_taken_by_the_broker() -> None:
    assert hints.send() is True


@pytest.mark.parametrize("error", [OperationalError("refused"), TimeoutError("hangs"), ConnectionResetError("gone")])
def test_a_broker_that_fails_is_not_asked_again_for_a_while(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    asked: list[str] = []

    def failing(name: str, **kwargs: Any) -> None:
        asked.append(name)
        raise error

    monkeypatch.setattr(current_app, "send_task", failing)
    assert hints.send() is False
    assert hints.send() is False
    assert asked == [hints.TASK]


def test_after_the_outage_it_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    outage = Outage(seconds=0)
    monkeypatch.setattr(hints, "_outage", outage)
    outage.begin()
    assert hints.send() is True


def test_the_task_is_there_under_its_name() -> None:
    current_app.loader.import_default_modules()
    assert hints.TASK in current_app.tasks
