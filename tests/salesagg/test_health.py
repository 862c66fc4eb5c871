"""For load balancers: alive, and ready."""

import pytest
from django.core.files.storage import FileSystemStorage
from django.test import Client

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_process_that_answers_is_alive() -> None:
    response = Client().get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")


def test_it_is_ready_when_every_service_is() -> None:
    response = Client().get("/readyz")
    assert response.json() == {"database": "ok", "broker": "ok", "storage": "ok"}
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
