"""The rehearsal of a deployment: what docker-compose.yml starts, started, behind the proxy that it starts, and used."""

import contextlib
import csv
import http.client
import re
import select
import signal
import socket
import stat
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import psycopg
import pytest
import requests
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from tusclient.exceptions import TusUploadFailed
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.deploy.stage import Stage
from tests.files import totals_by_csv, write_sales
from tests.services.processes import free_port, wait_until
from tests.services.rpc import LARGE_BYTES, Rpc, peak_bytes, pieces, refused_without_token
from tests.services.site import log_in
from tests.services.tus import uploading
from tests.services.watching import Page

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="session")
def token(stage: Stage) -> str:
    # The log has the notice to its owner too.
    return stage.manage("create_token", stage.email).splitlines()[-1]


@pytest.fixture(scope="session")
def admin(stage: Stage) -> requests.Session:
    """The browser of the administrator whom the first start has made."""
    return log_in(stage.address, stage.email, stage.password)


def totals_of(text: str) -> dict[str, int]:
    return {department: int(sales) for department, sales in list(csv.reader(text.splitlines()))[1:]}


def send(stage: Stage, token: str, path: Path) -> str:
    with uploading(stage.address, token, path, chunk=1 << 20) as uploader:
        uploader.upload()
        upload = uploader.url.rstrip("/").rpartition("/")[2]
    return str(stage.query(f"SELECT id FROM reports_job WHERE upload_id = '{upload}'"))  # noqa: S608  (our own)


def test_the_administrator_of_the_first_start_logs_in_and_is_one(stage: Stage, admin: requests.Session) -> None:
    page = admin.get(f"{stage.address}/admin/", timeout=20)
    assert page.status_code == 200
    assert page.url == f"{stage.address}/admin/"
    assert "Salesagg administration" in page.text


def test_first_password_of_the_administrator_opens_nothing_but_its_change(stage: Stage) -> None:
    assert stage.seen_first == f"{stage.address}/accounts/password/change/"
    with pytest.raises(AssertionError):
        log_in(stage.address, stage.email, stage.first_password)


def test_role_of_the_app_is_no_superuser_and_owns_its_database_alone(stage: Stage) -> None:
    rights = ("rolsuper", "rolcreatedb", "rolcreaterole", "rolreplication", "rolbypassrls")
    assert stage.query(f"SELECT {' OR '.join(rights)} FROM pg_roles WHERE rolname = current_user") is False  # noqa: S608
    owned = (
        "SELECT string_agg(datname, ',') FROM pg_database WHERE datdba = current_user::regrole AND datname = 'salesagg'"
    )
    assert (stage.query("SELECT current_user::text"), stage.query(owned)) == ("salesagg", "salesagg")
    others = (
        "SELECT bool_or(has_database_privilege(oid, 'CONNECT')) FROM pg_database WHERE datdba <> current_user::regrole"
    )
    assert stage.query(f"{others} AND datallowconn") is False
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(stage.database.partition("&passfile")[0], passfile="/dev/null")


def test_redis_refuses_whoever_has_no_password(stage: Stage) -> None:
    with socket.create_connection(("127.0.0.1", stage.redis_port), timeout=20) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100).startswith(b"-NOAUTH")


def test_a_second_start_makes_nothing_anew_and_tells_no_password(stage: Stage) -> None:
    files = sorted(path for path in (stage.folder / "run" / "secrets").rglob("*") if path.is_file())
    assert len(files) == 10
    before = [file.read_text() for file in files]
    again = [stage.run(service) for service in ("secrets", "migrate")]
    for process in again:
        assert process.wait(timeout=60) == 0, process.output
        assert "Password" not in process.output
    assert [file.read_text() for file in files] == before
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_no_secret_is_in_any_output(stage: Stage) -> None:
    files = [path for path in (stage.folder / "run" / "secrets").rglob("*") if path.is_file()]
    secrets = [file.read_text().strip() for file in files]
    words = {word for secret in secrets for word in re.findall(r"[\w-]{20,}", secret)} - {"aws_secret_access_key"}
    assert len(words) > 7
    assert stage.first_password in words
    told = "".join(process.output for process in stage.processes)
    assert {word for word in words if word in told} == set()


def test_a_file_is_sent_watched_and_its_report_downloaded_from_the_store(
    stage: Stage, admin: requests.Session, token: str, tmp_path: Path
) -> None:
    path = write_sales(tmp_path / "sales.csv", 4_000_000)
    totals, rows, bad_rows = totals_by_csv(path)
    with Page(stage.address, admin) as page:
        wait_until(lambda: page.connections, what="a socket by way of the proxy")
        job = send(stage, token, path)
        page.wait_for(job, "completed", timeout=40)
        told = page.jobs[job]
    assert (told["rows"], told["bad_rows"]) == (rows, bad_rows)
    sent_on = admin.get(f"{stage.address}/jobs/{job}/result.csv", timeout=20, allow_redirects=False)
    assert sent_on.status_code == 302
    there = sent_on.headers["Location"]
    assert there.startswith(f"{stage.address}/salesagg-files/jobs/{job}/")
    result = requests.get(there, timeout=20)
    assert totals_of(result.text) == totals
    assert "attachment" in result.headers["Content-Disposition"]
    assert result.headers["X-Content-Type-Options"] == "nosniff"


def test_of_the_store_nothing_is_had_without_an_address_that_was_signed(stage: Stage) -> None:
    asked: list[tuple[str, str]] = [("GET", ""), ("GET", "?list-type=2"), ("PUT", "?X-Amz-Signature=0")]
    for method, query in asked:
        answer = requests.request(method, f"{stage.address}/salesagg-files/x{query}", timeout=20)
        # By Django, which knows no such page.
        assert answer.status_code in (403, 404), (method, query)
        assert "X-Request-ID" in answer.headers


def test_static_files_come_from_the_proxy_packed_and_hold_for_ever(stage: Stage) -> None:
    page = requests.get(f"{stage.address}/accounts/login/", timeout=20).text
    found = re.search(r'href="(/static/css/app\.[0-9a-f]+\.css)"', page)
    assert found
    answer = requests.get(stage.address + found[1], headers={"Accept-Encoding": "gzip"}, timeout=20)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=315360000, immutable"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Type"].startswith("text/css")
    assert "X-Request-ID" not in answer.headers
    assert requests.get(f"{stage.address}/static/staticfiles.json", timeout=20).headers.get("Server") != "Caddy"
    assert requests.get(f"{stage.address}/static/css/none.0123456789ab.css", timeout=20).status_code == 404


def test_a_body_that_is_too_large_is_refused_with_a_reason_long_before_its_end(stage: Stage, token: str) -> None:
    size = 320 << 20
    head = (
        f"POST /uploads/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {size}\r\n\r\n"
    )
    with socket.create_connection(("localhost", stage.port), timeout=20) as connection:
        connection.sendall(head.encode())
        sent = 0
        # As browsers do: they go on sending until they are answered.
        while not select.select([connection], [], [], 0.01)[0] and sent < size:
            sent += connection.send(bytes(65536))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 413
        assert b"body_too_large" in answer.read()
    assert sent < size / 4


def test_who_says_to_be_somebody_else_is_counted_all_the_same(stage: Stage) -> None:
    def status(here: str, claim: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=20, source_address=(here, 0))
        connection.request(
            "GET", "/api/jobs", headers={"X-Forwarded-For": claim, "X-Real-IP": claim, "Forwarded": claim}
        )
        try:
            return connection.getresponse().status
        finally:
            connection.close()

    # A minute may end meanwhile, and the count begin anew.
    statuses = [status("127.0.0.9", f"203.0.113.{number}") for number in range(202)]
    assert 429 in statuses
    assert statuses[0] == 401
    # And the others behind the same proxy are not counted with them.
    assert status("127.0.0.10", "127.0.0.9") == 401


def test_programs_call_by_grpc_through_the_proxy(stage: Stage, token: str, tmp_path: Path) -> None:
    target = f"localhost:{stage.port}"
    with grpc.insecure_channel(target) as channel:
        health: Any = HealthStub(channel)
        assert health.Check(HealthCheckRequest(), timeout=10).status == HealthCheckResponse.SERVING
    path = write_sales(tmp_path / "sales.csv", 300_000)
    rpc = Rpc(target, token)
    try:
        answer = rpc.upload(pieces(path, 50_000)).result()
    finally:
        rpc.close()
    assert answer.ByteSize()


def test_one_web_process_is_killed_and_nobody_notices(stage: Stage) -> None:
    doomed, port = stage.webs[0], stage.web_ports[0]
    doomed.signal_group(signal.SIGKILL)
    doomed.wait(timeout=10)
    try:
        statuses = [requests.get(f"{stage.address}/accounts/login/", timeout=20).status_code for _ in range(30)]
        assert set(statuses) == {200}
    finally:
        stage.webs[0] = stage.run("web", replace={"8000": str(port)})
        stage.webs[0].wait_for_port(port)


def test_the_worker_that_has_a_job_is_killed_and_the_other_finishes_it(
    stage: Stage, token: str, tmp_path: Path
) -> None:
    path = write_sales(tmp_path / "sales.csv", 20_000_000)
    totals, rows, _ = totals_by_csv(path)
    chunk = 4 << 20
    with uploading(stage.address, token, path, chunk=chunk) as uploader:
        # The last chunk waits, so the job is not done before its worker is.
        uploader.upload(stop_at=path.stat().st_size // chunk * chunk)
        upload = uploader.url.rstrip("/").rpartition("/")[2]
        job = f"reports_job WHERE upload_id = '{upload}'"
        wait_until(lambda: stage.query(f"SELECT bytes_done > 0 FROM {job}"), what="progress", timeout=40)  # noqa: S608
        tries = f"SELECT worker FROM reports_attempt WHERE job_id = (SELECT id FROM {job})"  # noqa: S608
        holder = str(stage.query(f"{tries} ORDER BY id DESC LIMIT 1"))
        [doomed] = [worker for worker in stage.workers if holder.endswith(f":{worker.pid}")]
        doomed.signal_group(signal.SIGKILL)
        stage.workers.remove(doomed)
        try:
            uploader.upload()
            done = f"SELECT status = 'completed' FROM {job}"  # noqa: S608
            wait_until(lambda: stage.query(done), what="the job's end", timeout=60)
        finally:
            stage.start_worker().wait_for_output(" ready.")
    found = stage.query(f"SELECT id FROM {job}")  # noqa: S608
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.get(f"{stage.address}/api/jobs/{found}/result.csv", headers=headers, timeout=20)
    assert totals_of(answer.text) == totals
    assert stage.query(f"SELECT rows FROM {job}") == rows  # noqa: S608


def test_health_checks_of_the_file_tell_the_living_from_the_dead(stage: Stage) -> None:
    assert stage.probe("web", port=stage.web_ports[1]) == 0
    assert stage.probe("grpc", port=stage.rpc_port) == 0
    assert stage.probe("worker", port=0) == 0
    of_the_store = stage.compose.services["store"]["healthcheck"]["test"][-1]
    assert requests.get(of_the_store.replace("8333", str(stage.store_port)), timeout=3).status_code == 200
    nobody = free_port()
    assert stage.probe("web", port=nobody) == 1
    assert stage.probe("grpc", port=nobody) == 1


def sent(uploader: Any) -> bool:
    """Whether the rest of the file was taken; if not, its client was told to wait."""
    try:
        uploader.upload()
    except TusUploadFailed as refused:
        assert refused.status_code == 503
        return False
    return True


def test_while_the_store_is_stopped_for_a_backup_uploads_are_told_to_wait_and_then_go_on(
    stage: Stage, token: str, tmp_path: Path
) -> None:
    path = write_sales(tmp_path / "sales.csv", 3_000_000)
    totals, rows, _ = totals_by_csv(path)
    with uploading(stage.address, token, path, chunk=1 << 20) as uploader:
        uploader.upload(stop_at=1 << 20)
        upload = uploader.url.rstrip("/").rpartition("/")[2]
        stage.store.signal_group(signal.SIGTERM)
        # As long as Docker would wait.
        assert stage.store.wait(timeout=30) == 0
        assert not sent(uploader)
        stage.start_store()
        # Each web process remembers for some seconds that the store is away.
        wait_until(lambda: sent(uploader), what="the rest of the file", timeout=60)
    done = f"SELECT status = 'completed' AND rows = {rows} FROM reports_job WHERE upload_id = '{upload}'"  # noqa: S608
    wait_until(lambda: stage.query(done), what="the job's end", timeout=60)
    job = stage.query(f"SELECT id FROM reports_job WHERE upload_id = '{upload}'")  # noqa: S608  (our own)
    answer = requests.get(
        f"{stage.address}/api/jobs/{job}/result.csv", headers={"Authorization": f"Bearer {token}"}, timeout=20
    )
    assert totals_of(answer.text) == totals


def test_the_store_tells_what_the_daily_cleaning_asks(stage: Stage) -> None:
    assert stage.manage("clean_uploads").endswith("unfinished objects deleted: 0")


def test_a_backup_is_restored_and_the_site_goes_on_from_it(stage: Stage, token: str, tmp_path: Path) -> None:
    path = write_sales(tmp_path / "sales.csv", 300_000)
    job = send(stage, token, path)
    done = f"SELECT status = 'completed' FROM reports_job WHERE id = '{job}'"  # noqa: S608  (our own)
    wait_until(lambda: stage.query(done), what="the job's end", timeout=40)
    restored = stage.restored(stage.dumped(tmp_path / "salesagg.dump"))
    migrated = stage.run("migrate", DATABASE_URL=restored)
    assert migrated.wait(timeout=60) == 0, migrated.output
    assert "Password" not in migrated.output
    port = free_port()
    web = stage.run("web", replace={"8000": str(port)}, DATABASE_URL=restored)
    web.wait_for_port(port)
    try:
        there = f"http://localhost:{port}"
        result = log_in(there, stage.email, stage.password).get(f"{there}/jobs/{job}/result.csv", timeout=20)
        assert totals_of(result.text) == totals_by_csv(path)[0]
    finally:
        web.end()


def test_downloads_of_a_shared_report_hold_nobody_up(
    stage: Stage, admin: requests.Session, token: str, tmp_path: Path
) -> None:
    path = tmp_path / "departments.csv"
    rows = "".join(f"Department {number},2024-01-01,{number}\n" for number in range(6000))
    path.write_text(f"Department Name,Date,Number of Sales\n{rows}")
    job = send(stage, token, path)
    done = f"SELECT status = 'completed' FROM reports_job WHERE id = '{job}'"  # noqa: S608  (our own)
    wait_until(lambda: stage.query(done), what="the job's end", timeout=40)
    headers = {"Authorization": f"Bearer {token}"}
    share = requests.post(f"{stage.address}/api/jobs/{job}/shares", json={"days": 1}, headers=headers, timeout=20)
    link = urlsplit(share.json()["url"]).path

    def ask(here: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=60, source_address=(here, 0))
        connections.callback(connection.close)
        connection.request("GET", f"{link}result.xlsx", headers={"Host": "localhost"})
        return connections.enter_context(connection.getresponse())

    with contextlib.ExitStack() as connections:
        # More at once than both web processes have slots, from addresses that the limit counts apart, while no worker
        # can make the workbook.
        for worker in stage.workers:
            worker.signal_group(signal.SIGSTOP)
        try:
            waiting = [ask(f"127.0.0.{number % 3 + 31}") for number in range(75)]
            assert {answer.status for answer in waiting} == {200}
            assert admin.get(f"{stage.address}/jobs/{job}/", timeout=30).status_code == 200
        finally:
            for worker in stage.workers:
                worker.signal_group(signal.SIGCONT)
        [workbook] = {answer.read() for answer in waiting}
        assert workbook.startswith(b"PK")
        assert stage.query(f"SELECT count(*) FROM reports_export WHERE job_id = '{job}'") == 1  # noqa: S608  (our own)
        # Two minutes' worth and more: one minute may end in between.
        answers = [ask("127.0.0.34") for _ in range(62)]
        assert {answer.status for answer in answers} == {302, 429}
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers if answer.status == 429)


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, None], ids=["packed", "plain"])
def test_large_grpc_message_without_a_token_costs_neither_server_nor_proxy_memory(
    stage: Stage, compression: grpc.Compression | None
) -> None:
    target = f"localhost:{stage.port}"
    # Both are warm after this.
    refused_without_token(target, "/sales.v1.SalesService/Nothing")
    processes = [stage.rpc.pid, stage.proxy.pid]
    before = [peak_bytes(pid) for pid in processes]
    for method in ("GetJobStatus", "UploadCSV", "WatchJob"):
        path = f"/sales.v1.SalesService/{method}"
        assert refused_without_token(target, path, compression=compression) == "UNAUTHENTICATED"
    grown = [peak_bytes(pid) - most for pid, most in zip(processes, before, strict=True)]
    assert max(grown) < LARGE_BYTES


HOST = b"Host: localhost\r\nConnection: close\r\n"
CHUNKED = b"POST /accounts/login/ HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n"
# Requests that a client alone makes fail.
FAILING = {
    "large headers": b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 20_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"X%d: 1\r\n" % number for number in range(700)) + b"\r\n",
    "a long URL": b"GET /?" + b"x" * 10_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a longer URL": b"GET /?" + b"x" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "bytes beyond ASCII": b"GET /?\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "a malformed chunk": CHUNKED + b"\r\n3\r\nabc\r\nzz\r\n",
    "a malformed trailer": CHUNKED + b"Trailer: x\r\n\r\n3\r\nabc\r\n0\r\nx: a\x01b\r\n\r\n",
    "a long trailer": CHUNKED + b"Trailer: x\r\n\r\n3\r\nabc\r\n0\r\nx: " + b"x" * 100_000 + b"\r\n\r\n",
    "a body that breaks off": b"POST /uploads/ HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\nabc",
    "a large body without a login": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9000000\r\n\r\n" + b"x" * 100_000,
}


def attack(port: int, message: bytes) -> bytes:
    """The beginning of the answer to `message`, after which the client says no more."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(message)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(65536)
    except OSError:
        return b""


def test_no_request_of_one_client_takes_the_site_from_another(stage: Stage, admin: requests.Session) -> None:
    over = threading.Event()

    def keep_on(message: bytes) -> None:
        while not over.is_set():
            attack(stage.port, message)

    attackers = [
        threading.Thread(target=keep_on, args=(message,)) for message in FAILING.values() for _twice in range(2)
    ]
    for attacker in attackers:
        attacker.start()
    try:
        statuses = [admin.get(f"{stage.address}/account/", timeout=30).status_code for _ in range(20)]
    finally:
        over.set()
        for attacker in attackers:
            attacker.join()
    assert statuses == [200] * 20


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        *(("large headers", (b"431",)), ("many headers", (b"431",)), ("a longer URL", (b"431", b"414"))),
        *(("a long URL", (b"414",)), ("bytes beyond ASCII", (b"400",)), ("a large body without a login", (b"401",))),
    ],
)
def test_what_is_too_large_is_answered_through_the_proxy(stage: Stage, name: str, statuses: tuple[bytes, ...]) -> None:
    message = FAILING[name]
    with socket.create_connection(("127.0.0.1", stage.port), timeout=30) as connection:
        connection.sendall(message)
        answer = connection.recv(65536)
    assert answer.split(b" ")[1] in statuses


def test_an_email_leads_to_the_site_whatever_a_header_says(stage: Stage) -> None:
    def emails() -> str:
        return "".join(web.output for web in stage.webs)

    links = f"{stage.address}/accounts/password/reset/key/"
    for headers in (
        {"Daphne-Root-Path": "https://evil.example", "X-Forwarded-Prefix": "https://evil.example"},
        {
            "X-Forwarded-Host": "evil.example",
            "X-Original-URL": "https://evil.example",
            "Forwarded": "host=evil.example",
        },
    ):
        before = emails().count(links)
        session = requests.Session()
        page = session.get(f"{stage.address}/accounts/password/reset/", timeout=20)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token
        form = {"email": stage.email, "csrfmiddlewaretoken": token[1]}
        url = f"{stage.address}/accounts/password/reset/"
        answer = session.post(url, data=form, headers=headers, timeout=20, allow_redirects=False)
        assert answer.headers["Location"] == "/accounts/password/reset/done/"
        wait_until(lambda before=before: emails().count(links) > before, what="the email")  # type: ignore[misc]
        assert "evil.example" not in emails()


def test_a_root_path_does_not_escape_the_limit_of_an_ip_address(stage: Stage) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=20, source_address=("127.0.0.11", 0))
    try:
        statuses = []
        for _number in range(202):
            connection.request("GET", "/api/jobs", headers={"Daphne-Root-Path": "/x"})
            with connection.getresponse() as response:
                response.read()
                statuses.append(response.status)
        assert 429 in statuses
        connection.request("GET", "/x/api/jobs", headers={"Daphne-Root-Path": "/x"})
        with connection.getresponse() as response:
            response.read()
            assert response.status == 404
    finally:
        connection.close()


@pytest.mark.parametrize("origin", ["https://localhost", "http://localhost:1", "http://evil.example"])
def test_a_page_of_another_port_or_scheme_gets_no_socket(stage: Stage, admin: requests.Session, origin: str) -> None:
    cookie = f"sessionid={admin.cookies['sessionid']}"
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://localhost:{stage.port}/ws/jobs/", origin=Origin(origin), additional_headers={"Cookie": cookie})
    assert refused.value.response.status_code == 403
