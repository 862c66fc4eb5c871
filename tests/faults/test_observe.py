"""What operators see of a real site, from a page to the worker's log: web, gRPC, a worker with a pool of processes."""

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import b64
from tests.figures import names
from tests.files import write_sales
from tests.services import Postgres, Process, Redis, free_port, wait_until
from tests.services.processes import ROOT
from tests.services.site import PASSWORD, log_in, services_site
from tests.services.watching import Page

TOKEN = "a token for figures"
Figures = dict[str, float]
pytestmark = [pytest.mark.timeout(180), pytest.mark.deep]


class Observed:
    """A site that has done one job, and all that it told of it."""

    def __init__(self, folder: Path, postgres: Postgres, redis: Redis) -> None:
        self.site = services_site(
            folder, postgres, redis, env={"LOG_FORMAT": "json", "METRICS_TOKEN": TOKEN, "SWEEP_SECONDS": "0.5"}
        )
        self.token = self.site.prepare()
        self.worker_port, self.grpc_port = free_port(), free_port()
        self.worker = self.site.worker("--concurrency=2", METRICS_PORT=str(self.worker_port))
        self.web_port = free_port()
        self.web = self.site.web(METRICS_PORT=str(self.web_port))
        self.site.grpc(METRICS_PORT=str(self.grpc_port))
        self.page = Page(self.web, log_in(self.web))
        self.job = self.send(write_sales(folder / "sales.csv", 3_000_000), request="from-the-page")
        self.page.wait_for(self.job, "completed", timeout=60)

    def send(self, file: Path, *, request: str) -> str:
        """Upload it in one request; returns the job."""
        known = set(self.page.jobs)
        data = file.read_bytes()
        answer = requests.post(
            f"{self.web}/uploads/?token=s3cret-in-the-address",
            data=data,
            headers={
                "Authorization": f"Bearer {self.token}",
                "Tus-Resumable": "1.0.0",
                "Upload-Length": str(len(data)),
                "Upload-Metadata": f"filename {b64(file.name)}",
                "Content-Type": "application/offset+octet-stream",
                "X-Request-ID": request,
            },
            timeout=30,
        )
        assert answer.headers["X-Request-ID"] == request
        return wait_until(lambda: next(iter(set(self.page.jobs) - known), ""), what="the job on the page")

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]

    def log(self) -> str:
        return "".join(process.output for process in self.site.processes)

    def of_web(self) -> Figures:
        return read(f"{self.web}/metrics")

    def of_worker(self) -> Figures:
        return read(f"http://127.0.0.1:{self.worker_port}/metrics")

    def of_grpc(self) -> Figures:
        return read(f"http://127.0.0.1:{self.grpc_port}/metrics")

    def end(self) -> None:
        self.page.__exit__()
        self.site.end()


def read(address: str) -> Figures:
    answer = requests.get(address, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10)
    answer.raise_for_status()
    families = text_string_to_metric_families(answer.text)
    return {named(sample.name, sample.labels): sample.value for family in families for sample in family.samples}


def named(name: str, labels: dict[str, str]) -> str:
    return name + ("{" + ",".join(f"{key}={value}" for key, value in sorted(labels.items())) + "}") * bool(labels)


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, redis: Redis) -> Iterator[Observed]:
    running = Observed(tmp_path_factory.mktemp("observed"), postgres, redis)
    yield running
    running.end()


def test_a_job_is_followed_from_the_page_to_the_worker_by_the_id_of_its_request(observed: Observed) -> None:
    told = [line for line in observed.lines() if line.get("request") == "from-the-page"]
    asked = next(line for line in told if line["logger"] == "salesagg.access")
    assert (asked["method"], asked["path"], asked["status"]) == ("POST", "/uploads/", 201)
    assert asked["user"]
    done = next(line for line in told if line["message"].endswith("completed"))
    assert done["job"] == observed.job
    assert done["worker"].endswith(f":{observed.worker.pid}")
    assert done["process"] != str(observed.worker.pid)
    assert done["upload"]


def test_every_line_that_we_write_is_an_object_and_no_secret_is_among_them(observed: Observed) -> None:
    log = observed.log()
    assert len(observed.lines()) > 10
    for secret in (observed.token, PASSWORD, TOKEN, "s3cret-in-the-address"):
        assert secret not in log
    # Nor is a request told twice: Daphne's own log is off.
    assert 'HTTP/1.1"' not in log
    assert not re.search(r'^127.0.0.1.*"(GET|POST) ', log, re.MULTILINE)


def test_what_a_worker_and_its_pool_have_done_is_told_at_its_port(observed: Observed) -> None:
    figures = observed.of_worker()
    size = (observed.site.folder / "sales.csv").stat().st_size
    assert figures["salesagg_folded_bytes_total"] >= size
    assert figures["salesagg_jobs_ended_total{code=,status=completed}"] >= 1
    assert figures["salesagg_attempts_ended_total{outcome=completed}"] >= 1
    assert figures["salesagg_rows_total{verdict=good}"] > 0
    for step in ("read", "fold", "commit"):
        assert figures[f"salesagg_window_seconds_count{{step={step}}}"] >= 1
    assert figures["process_resident_memory_bytes"] > 0


def test_what_the_site_is_and_what_a_web_process_has_done_is_told_by_it(observed: Observed) -> None:
    wait_until(lambda: observed.of_web()["salesagg_jobs{status=completed}"] >= 1, what="the job in the figures")
    figures = observed.of_web()
    assert figures["salesagg_workers{state=alive}"] == 1
    assert figures["salesagg_worker_hands"] == 2
    assert figures["salesagg_queue_jobs"] == figures["salesagg_queue_age_seconds"] == 0
    assert figures["salesagg_websockets_open"] == 1
    assert figures["salesagg_upload_bytes_total"] >= (observed.site.folder / "sales.csv").stat().st_size
    assert figures["salesagg_http_requests_total{method=POST,route=uploads/,status=2xx}"] >= 1
    assert figures["salesagg_storage_free_bytes"] > 0


def test_a_web_process_tells_the_same_at_a_port_of_its_own(observed: Observed) -> None:
    assert read(f"http://127.0.0.1:{observed.web_port}/metrics").keys() >= observed.of_web().keys()


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}])
def test_figures_of_a_web_process_are_for_who_knows_the_token(observed: Observed, header: dict[str, str]) -> None:
    answer = requests.get(f"{observed.web}/metrics", headers=header, timeout=10)
    assert answer.status_code == 401
    assert "salesagg_jobs" not in answer.text


def test_what_is_counted_by_a_process_that_is_killed_stays_counted_and_leaves_no_file(observed: Observed) -> None:
    before = observed.of_worker()
    main = psutil.Process(observed.worker.pid)
    folder = figures_of(observed.worker)
    for child in main.children():
        os.kill(child.pid, signal.SIGKILL)
        wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, what="its end")  # noqa: B023
    wait_until(lambda: len(main.children()) == 2, what="new ones")
    after = observed.of_worker()
    for name, value in before.items():
        if name.startswith("salesagg") and name.partition("{")[0].endswith(("_total", "_count", "_sum", "_bucket")):
            assert after[name] >= value, name
    alive = {observed.worker.pid, *(child.pid for child in main.children())}
    owners = {path.stem.rpartition("_")[2] for path in folder.glob("*.db")}
    assert {owner for owner in owners if owner.isdecimal()} <= {str(pid) for pid in alive}
    again = observed.send(observed.site.folder / "sales.csv", request="again")
    observed.page.wait_for(again, "completed", timeout=60)
    assert observed.of_worker()["salesagg_folded_bytes_total"] > before["salesagg_folded_bytes_total"]


def figures_of(worker: Process) -> Path:
    """The folder in which its processes count."""
    [folder] = Path(os.environ.get("TMPDIR", "/tmp")).glob(f"salesagg-metrics-{worker.pid}-*")  # noqa: S108
    return folder


def names_in(expression: str) -> set[str]:
    """The metrics that a PromQL expression asks for."""
    plain = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"", " ", expression)
    plain = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", plain)
    return {
        name
        for name in re.findall(r"(?<![\w.])[a-zA-Z_:][a-zA-Z0-9_:]*", plain)
        if not re.search(rf"\b{name}\s*\(", plain) and name not in ("and", "or", "unless", "by", "bool", "le", "offset")
    }


def expressions() -> list[str]:
    dashboard = json.loads((ROOT / "deploy/grafana/salesagg.json").read_text())
    targets = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    alerts = re.findall(r"^\s+expr: (?:\|\n)?((?:.+\n)+?)(?=\s+(?:for|labels|annotations):)",
                        (ROOT / "deploy/prometheus/alerts.yml").read_text(), re.MULTILINE)  # fmt: skip
    assert len(targets) > 15
    assert len(alerts) > 5
    return [*targets, *alerts]


def test_all_that_the_dashboard_and_the_alerts_ask_for_is_there(observed: Observed) -> None:
    there = {name.partition("{")[0] for figures in (observed.of_web(), observed.of_worker(), observed.of_grpc())
             for name in figures}  # fmt: skip
    # What has not happened has no series yet, but its name stands among what can.
    there |= names()
    missing = {name: text for text in expressions() for name in names_in(text) - there - {"up"}}
    assert missing == {}
