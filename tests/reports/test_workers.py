"""Workers, and what tells that they are alive."""

import os
import socket
import threading
from datetime import timedelta
from typing import Any

import pytest
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from django.db import DatabaseError
from django.db.models.functions import Now

from accounts import logcontext
from reports import stopping, worker, workers
from reports.models import Worker
from reports.sweeper import Sweeper
from tests.services import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


@pytest.fixture(autouse=True)
def _on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test process belongs to a worker, and none is being stopped."""
    monkeypatch.setattr(workers, "_main_pid", None)
    monkeypatch.setattr(logcontext, "_always", {})
    monkeypatch.setattr(stopping, "_event", threading.Event())


def known() -> dict[str, bool]:
    """The workers, and whether each is silent."""
    return {row.name: row.silent for row in workers.all_known()}  # type: ignore[attr-defined]


def silent_for(name: str, seconds: float) -> None:
    Worker.objects.create(name=name, started_at=Now(), seen_at=Now() - timedelta(seconds=seconds))


def test_a_worker_is_called_as_its_host_and_process() -> None:
    assert workers.name() == f"{socket.gethostname()}:{os.getpid()}"


def test_the_processes_of_a_pool_are_called_as_their_worker() -> None:
    worker.begin()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, workers.name().encode())
        os._exit(0)
    os.waitpid(child, 0)
    name = os.read(reading, 1000).decode()
    os.close(reading)
    os.close(writing)
    assert name == f"{socket.gethostname()}:{os.getpid()}"


def test_a_worker_is_known_from_its_start_and_seen_again_with_every_sign_of_life() -> None:
    workers.arrive()
    first = Worker.objects.get()
    assert first.started_at == first.seen_at
    Worker.objects.update(seen_at=first.seen_at - timedelta(seconds=1))
    workers.note()
    again = Worker.objects.get()
    assert again.started_at == first.started_at
    assert again.seen_at >= first.seen_at


def test_a_worker_of_the_same_name_takes_the_place_of_the_one_before() -> None:
    silent_for(workers.name(), 3000)
    workers.arrive()
    assert known() == {workers.name(): False}


def test_a_worker_that_is_silent_for_several_sweeps_counts_as_lost(settings: Any) -> None:
    settings.SWEEP_SECONDS = 5
    silent_for("near:1", 20)
    silent_for("far:1", 40)
    assert known() == {"far:1": True, "near:1": False}


def test_after_a_day_of_silence_it_is_forgotten() -> None:
    silent_for("yesterday:1", 23 * 3600)
    silent_for("before:1", 25 * 3600)
    workers.note()
    assert known() == {"yesterday:1": True, workers.name(): False}


def test_a_worker_that_leaves_is_forgotten_and_no_other() -> None:
    silent_for("other:1", 0)
    workers.arrive()
    workers.leave()
    assert known() == {"other:1": False}


def test_the_sweeper_tells_that_its_worker_is_alive_until_the_worker_stops(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SWEEP_SECONDS = 0.01
    monkeypatch.setattr("reports.sweeper.sweep", lambda run_jobs: None)
    worker_ready.send(sender=None)
    wait_until(lambda: Worker.objects.exists(), what="the first sign of life")
    first = Worker.objects.get()
    wait_until(lambda: Worker.objects.filter(seen_at__gt=first.seen_at), what="another")
    worker_shutting_down.send(sender=None)
    worker_shutdown.send(sender=None)
    assert not Worker.objects.exists()


def test_in_one_process_the_end_alone_stops_the_sweeper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.sweeper.sweep", lambda run_jobs: None)
    worker_ready.send(sender=None)
    wait_until(lambda: Worker.objects.exists(), what="the first sign of life")
    worker_shutdown.send(sender=None)
    assert not Worker.objects.exists()


def test_a_sign_of_life_that_fails_keeps_nobody_from_sweeping(
    settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(hands: int) -> None:
        raise DatabaseError("locked")

    settings.SWEEP_SECONDS = 0.01
    swept = threading.Event()
    monkeypatch.setattr(workers, "arrive", fail)
    monkeypatch.setattr("reports.sweeper.sweep", lambda run_jobs: swept.set())
    sweeper = Sweeper()
    sweeper.start()
    assert swept.wait(10)
    sweeper.stop()
    sweeper.join(10)
    assert "fail failed; the next sweep tries again" in caplog.text
