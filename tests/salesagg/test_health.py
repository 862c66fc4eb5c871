"""For load balancers: alive, and ready."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.management import CommandError, call_command
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.utils import timezone

from reports import workers
from reports.models import Worker
from salesagg import health

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _nothing_known() -> None:
    for check in health.CHECKS.values():
        check.forget()


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The storage does not answer; gives what it was asked."""
    asked, let_go = list[str](), threading.Event()

    def hang(storage: FileSystemStorage, name: str) -> bool:
        asked.append(name)
        return let_go.wait(20)

    monkeypatch.setattr(FileSystemStorage, "exists", hang)
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.3)
    yield asked
    let_go.set()


def test_a_process_that_answers_is_alive() -> None:
    response = Client().get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")


def test_it_is_ready_when_every_service_is() -> None:
    response = Client().get("/readyz")
    assert response.json() == dict.fromkeys(["database", "migrations", "broker", "storage", "channels"], "ok")
    assert "no-store" in response["Cache-Control"]


def test_a_failing_service_is_named_and_its_reason_kept_to_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(storage: FileSystemStorage, name: str) -> bool:
        raise OSError("secret-host refused the connection")

    monkeypatch.setattr(FileSystemStorage, "exists", failing)
    response = Client().get("/readyz")
    assert (response.status_code, response.json()["storage"]) == (503, "failing")
    assert b"secret-host" not in response.content
    assert "secret-host" in caplog.text


def test_a_service_that_hangs_is_failing_and_does_not_hang_the_answer(hanging: list[str]) -> None:
    began = time.monotonic()
    response = Client().get("/readyz")
    assert time.monotonic() - began < 5
    assert (response.status_code, response.json()["storage"], response.json()["database"]) == (503, "failing", "ok")


def test_of_those_who_ask_meanwhile_none_begins_another_look(hanging: list[str]) -> None:
    for _ in range(3):
        assert Client().get("/readyz").json()["storage"] == "failing"
    assert len(hanging) == 1


def test_a_database_of_an_older_version_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_migrated", False)
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda self, targets: [("reports.0099_new", False)])
    response = Client().get("/readyz")
    assert (response.status_code, response.json()["migrations"], response.json()["database"]) == (503, "failing", "ok")


def test_a_worker_of_this_host_is_alive_once_it_has_said_so() -> None:
    with pytest.raises(CommandError, match="No worker"):
        call_command("worker_alive")
    workers.arrive()
    call_command("worker_alive")


def test_a_worker_that_has_been_silent_for_long_is_not_alive() -> None:
    workers.arrive()
    Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=5))
    with pytest.raises(CommandError, match="No worker"):
        call_command("worker_alive")
