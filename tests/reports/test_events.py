"""Events: often enough to watch, never in the way of what they tell about."""

import asyncio
import threading
from typing import Any

import pytest

from reports import events, lifecycle
from reports.models import Job
from tests.conftest import MakeUpload
from tests.files import sales_csv

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
Published = list[dict[str, Any]]


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Published:
    """What reaches the channel layer."""
    messages: Published = []

    class Layer:
        async def group_send(self, group: str, message: dict[str, Any]) -> None:
            messages.append({"group": group, **message})

    monkeypatch.setattr(events, "get_channel_layer", Layer)
    return messages


def test_a_change_is_told_to_its_owner_with_its_version(make_upload: MakeUpload, published: Published) -> None:
    job = make_upload(sales_csv(5)).jobs.get()
    published.clear()
    events.announce(job.pk)
    [message] = published
    assert message["group"] == f"jobs.{job.owner_id}"
    assert (message["job"]["id"], message["job"]["version"]) == (str(job.pk), job.version)


def test_progress_is_told_once_in_a_while_and_an_ending_always(make_upload: MakeUpload, published: Published) -> None:
    job = make_upload(sales_csv(5)).jobs.get()
    events._last_progress.clear()
    published.clear()
    for _ in range(10):
        events.announce_progress(job.pk)
    assert len(published) == 1
    Job.objects.update(status="completed")
    events.announce(job.pk)
    assert published[-1]["job"]["status"] == "completed"
    assert events._last_progress == {}


def test_a_job_that_is_gone_is_not_told(published: Published) -> None:
    events.announce(Job().pk)
    assert published == []


def test_a_layer_that_hangs_costs_its_time_once_and_harms_nothing(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Semaphore(0)

    class Hanging:
        async def group_send(self, group: str, message: dict[str, Any]) -> None:
            asked.release()
            await asyncio.Event().wait()

    monkeypatch.setattr(events, "get_channel_layer", Hanging)
    monkeypatch.setattr(events, "PUBLISH_TIMEOUT", 0.05)
    job = make_upload(sales_csv(5)).jobs.get()
    events.announce(job.pk)
    assert job.upload.state == "complete"
    assert asked.acquire(timeout=1)
    assert not asked.acquire(blocking=False)


def test_a_chunk_that_makes_no_window_whole_does_not_look_for_work(
    make_upload: MakeUpload, settings: Any, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    data = sales_csv(50)
    upload = make_upload(data, chunk=len(data) // 3 + 1, whole=False)
    monkeypatch.setattr(events, "_last_progress", {})
    with django_assert_num_queries(3):
        # Which jobs, one more version, and what is told of it.
        lifecycle.upload_progressed(upload)
    settings.WINDOW_BYTES = upload.offset
    with django_assert_num_queries(3):
        # It is too soon to be told again; but now there may be work.
        lifecycle.upload_progressed(upload)
