"""Errors to a Sentry, traces to an OpenTelemetry collector: told by real processes to servers of this test."""

import gzip
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.conftest import b64
from tests.services import wait_until
from tests.services.processes import ROOT
from tests.services.site import Site, log_in

DATA = b"Department Name,Number of Sales\nA,1\n"


class Receiver:
    """Keeps what is sent to it."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                packed = self.headers.get("Content-Encoding") == "gzip"
                receiver.bodies.append((self.path, gzip.decompress(body) if packed else body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def errors(self) -> list[dict[str, Any]]:
        """The events of all envelopes that have come."""
        found = []
        for path, body in list(self.bodies):
            if "/envelope/" in path:
                lines = body.split(b"\n")
                found += [json.loads(line) for line in lines if b'"exception"' in line]
        return found

    def spans(self) -> list[tuple[str, dict[str, str]]]:
        found = []
        for path, body in list(self.bodies):
            if path == "/v1/traces":
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        found += [(s.name, {a.key: a.value.string_value for a in s.attributes}) for s in scope.spans]
        return found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.end()


@pytest.fixture
def site(tmp_path: Path, receiver: Receiver) -> Iterator[Site]:
    started = Site(
        tmp_path,
        SENTRY_DSN=f"http://public@127.0.0.1:{receiver.port}/1",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{receiver.port}",
        OTEL_BSP_SCHEDULE_DELAY="200",
        SWEEP_SECONDS="0.5",
    )
    yield started
    started.end()


def test_errors_and_traces_are_told_with_what_finds_them_in_the_logs_and_without_secrets(
    site: Site, receiver: Receiver
) -> None:
    token = site.prepare()
    address = site.serve()
    headers = {
        "Authorization": f"Bearer {token}",
        "Tus-Resumable": "1.0.0",
        "Upload-Length": str(len(DATA)),
        "Upload-Metadata": f"filename {b64('sales.csv')}",
        "Content-Type": "application/offset+octet-stream",
        "X-Request-ID": "from-the-page",
    }
    requests.post(f"{address}/uploads/?token=s3cret", data=DATA, headers=headers, timeout=20).raise_for_status()
    asked = {"POST uploads/", "window read", "window fold", "window commit"}
    wait_until(lambda: asked <= dict(receiver.spans()).keys(), what="the spans")
    told = dict(receiver.spans())
    assert told["POST uploads/"]["salesagg.request"] == told["window commit"]["salesagg.request"] == "from-the-page"
    assert told["window fold"]["salesagg.job"]

    # A defect: the table of files is not there.
    session = log_in(address)
    with sqlite3.connect(Path(site.env["DATA_DIR"]) / "db.sqlite3") as database:
        database.execute("ALTER TABLE uploads_part RENAME TO gone")
        database.execute("ALTER TABLE uploads_upload RENAME TO gone_too")
    failed = session.get(f"{address}/files/?token=s3cret", headers={"X-Request-ID": "it-failed"}, timeout=20)
    assert failed.status_code == 500
    event = wait_until(
        lambda: next((e for e in receiver.errors() if e.get("tags", {}).get("request") == "it-failed"), {}),
        what="the error",
    )
    assert event["release"] == "salesagg@0.1.0"
    sent = b"".join(body for _path, body in receiver.bodies)
    for secret in (token, "s3cret", session.cookies["sessionid"], "ann@example.org"):
        assert secret.encode() not in sent, secret


@pytest.mark.parametrize("setting", ["SENTRY_DSN", "OTEL_EXPORTER_OTLP_ENDPOINT"])
def test_a_setting_whose_packages_are_missing_is_said_so(tmp_path: Path, setting: str) -> None:
    hiding = "import sys; sys.modules.update(sentry_sdk=None, opentelemetry=None); import manage; manage.main()"
    env = os.environ | {setting: "http://key@127.0.0.1:1/1", "DATA_DIR": str(tmp_path), "SECRET_KEY": "x"}
    done = subprocess.run(
        [sys.executable, "-c", hiding, "check"], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True, timeout=60
    )
    assert done.returncode != 0
    assert f"{setting} is set, but" in done.stderr
    assert "requirements-observe.txt" in done.stderr
