"""Figures: documented, and counted where things happen."""

import re
import threading
import tomllib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import resolve
from django.utils import timezone
from prometheus_client import generate_latest
from prometheus_client.core import CollectorRegistry

from accounts import metrics
from accounts.observing import shown_path
from reports.models import Job
from salesagg import exposition, version
from salesagg.figures import Figures
from tests import figures
from tests.services.processes import ROOT

pytestmark = pytest.mark.django_db(transaction=True)


def documented() -> dict[str, tuple[str, str, str]]:
    rows = re.findall(
        r"^\| `(salesagg_\w+)` \| (\w+) \| ?(.*?) ?\| (.+) \|$", (ROOT / "docs/observe.md").read_text(), re.M
    )
    return {name: (kind, labels, told) for name, kind, labels, told in rows}


def test_every_figure_is_documented_as_it_is_and_none_besides() -> None:
    there = {}
    for metric in figures.ours():
        name = metric._name + "_total" * (metric._type == "counter")
        there[name] = (metric._type, ", ".join(metric._labelnames), metric._documentation)
    for family in (*Figures().collect(), *exposition.Build().collect()):
        labels = family.samples[0].labels if family.samples else {}
        there[family.name] = (family.type, ", ".join(labels), family.documentation)
    assert documented() == there


def of_site() -> dict[str, float]:
    return {
        sample.name + "".join(sample.labels.values()): sample.value
        for family in Figures().collect()
        for sample in family.samples
    }


def test_jobs_are_counted_by_state_and_the_oldest_that_waits_by_its_age(make_job: Callable[..., Job]) -> None:
    assert of_site()["salesagg_queue_age_seconds"] == 0
    old, _new = (make_job(b"Department Name,Number of Sales\nA,1\n") for _ in range(2))
    long_ago = timezone.now() - timedelta(minutes=10)
    Job.objects.filter(pk=old.pk).update(created_at=long_ago)
    type(old.upload).objects.filter(pk=old.upload_id).update(completed_at=long_ago)
    now = of_site()
    assert (now["salesagg_jobspending"], now["salesagg_queue_jobs"]) == (2, 2)
    assert 595 < now["salesagg_queue_age_seconds"] < 660


def test_a_job_whose_upload_came_late_has_waited_since_then(make_job: Callable[..., Job]) -> None:
    job = make_job(b"Department Name,Number of Sales\nA,1\n")
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(hours=5))
    assert of_site()["salesagg_queue_age_seconds"] < 60


def test_while_the_database_is_away_the_rest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise OperationalError("away")

    monkeypatch.setattr("salesagg.figures._jobs", away)
    registry = CollectorRegistry()
    registry.register(Figures())
    registry.register(exposition.Build())
    before = metrics.FAILURES.labels("database")._value.get()
    assert b"salesagg_build_info" in generate_latest(registry)
    assert metrics.FAILURES.labels("database")._value.get() == before + 1


@pytest.mark.parametrize("given", ["", "Bearer ", "Bearer wrong"])
def test_without_a_token_in_the_settings_there_is_no_such_page(given: str) -> None:
    assert Client().get("/metrics", headers={"Authorization": given}).status_code == 404


def test_who_knows_the_token_is_told(settings: Any) -> None:
    settings.METRICS_TOKEN = "for figures"
    answer = Client().get("/metrics", headers={"Authorization": "Bearer for figures"})
    assert answer.status_code == 200
    assert b"salesagg_queue_age_seconds" in answer.content
    refused = Client().get("/metrics", headers={"Authorization": "Bearer for"})
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    assert Client().post("/metrics").status_code == 405


def test_refusals_are_counted_by_code_and_surface(token: str) -> None:
    counted = metrics.REFUSALS.labels("api", "not_found")
    before = counted._value.get()
    Client().get("/api/jobs/00000000-0000-4000-8000-000000000000", headers={"Authorization": f"Bearer {token}"})
    assert counted._value.get() == before + 1


def test_an_address_that_is_a_secret_is_not_shown() -> None:
    for path in ("/shared/s3cret/", "/shared/s3cret/table", "/api/downloads/s3cret/result.csv"):
        assert "s3cret" not in shown_path(path, resolve(path))
    reset = "/accounts/password/reset/key/3-s3cret/"
    assert "s3cret" not in shown_path(reset, resolve(reset))
    assert shown_path("/files/", resolve("/files/")) == "/files/"


def test_what_the_dead_of_a_pool_have_counted_stays(tmp_path: Path) -> None:
    key = '["salesagg_claims", "salesagg_claims_total", {}, "Jobs."]'
    # No process has such a number.
    for owner, kind in ((2**22 + 1, "counter"), (2**22 + 2, "counter"), (2**22 + 3, "gauge_livesum")):
        file = exposition._Dict(str(tmp_path / f"{kind}_{owner}.db"))
        file.write_value(key, 2.0, 0.0)
        file.close()
    pool = exposition.Pool(str(tmp_path))
    for _ in range(2):
        [family] = pool.collect()
        assert [sample.value for sample in family.samples] == [4.0]
    assert [path.name for path in tmp_path.glob("*.db")] == ["counter_dead.db"]


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == version.VERSION


def test_two_first_scrapes_at_once_register_the_collectors_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition, "_made", [])
    registry = exposition.registry
    found: list[CollectorRegistry] = []
    first, second = (threading.Thread(target=lambda: found.append(exposition._web()), daemon=True) for _ in range(2))

    def slow_registry() -> CollectorRegistry:
        if threading.current_thread() is first:
            second.start()
            # As long as the second scrape needs to get past, if nothing stops it.
            second.join(1)
        return registry()

    monkeypatch.setattr(exposition, "registry", slow_registry)
    first.start()
    for thread in (first, second):
        thread.join(20)
    assert found[0] is found[1]
    assert generate_latest(found[0]).decode().count("# HELP salesagg_queue_age_seconds ") == 1
