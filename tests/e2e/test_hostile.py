"""Names and values that are meant to run as scripts, looked at in a real browser on every page that shows them; and
clients that say too much, or nothing, to the real server. The browser's context reports breaches of the policy."""

import base64
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import requests
from playwright.sync_api import Page, expect

SCRIPT = "<img src=x onerror=document.title='ran'><script>document.title='ran'</script>"
# Ends of strings, attributes and elements as well: whatever a page may put it into.
HOSTILE = "\"'></script></title></textarea>" + SCRIPT + "{{7*7}}${7*7}"
NAME = "<img src=x onerror=document.title='ran'>.csv"
FIELD = '"' + HOSTILE.replace('"', '""') + '"'
SALES = f"{FIELD},Department,Date,Sales\n1,{FIELD},2026-01-02,3\n2,{FIELD},2026-01-02,{FIELD}\n"
CUSTOMERS = f"name,email,company\n{FIELD},a@example.org,{FIELD}\n{FIELD},{FIELD},x\n"
NO_SALES = f"{FIELD},b\n1,2\n"
WAIT_SECONDS = 30


def sent(address: str, token: str, text: str, *, kind: str) -> str:
    """The id of the job of a file with a hostile name, when it has ended."""
    described = {"filename": NAME, "kind": kind}
    headers = {
        "Authorization": f"Bearer {token}",
        "Tus-Resumable": "1.0.0",
        "Content-Type": "application/offset+octet-stream",
        "Upload-Length": str(len(text)),
        "Upload-Metadata": ",".join(
            f"{key} {base64.b64encode(text.encode()).decode()}" for key, text in described.items()
        ),
    }
    assert text.isascii()
    made = requests.post(f"{address}/uploads/", data=text.encode(), headers=headers, timeout=20)
    assert made.status_code == 201, made.text
    bearer = {"Authorization": headers["Authorization"]}
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        job: dict[str, Any] = requests.get(f"{address}/api/jobs", headers=bearer, timeout=20).json()["items"][0]
        if job["status"] in ("completed", "failed"):
            return str(job["jobId"])
        time.sleep(0.2)
    raise AssertionError(job)


def check(page: Page, path: str) -> None:
    page.goto(path, wait_until="load")
    # Shown as the text that it is.
    expect(page.locator("body")).to_contain_text("onerror=document.title")
    page.wait_for_timeout(150)
    assert page.title() != "ran", path
    assert page.locator("[onerror]").count() == 0, path


def test_no_name_runs_as_a_script_anywhere(operator: Page, address: str, token: str) -> None:
    report = sent(address, token, SALES, kind="sales")
    failed = sent(address, token, NO_SALES, kind="sales")
    imported = sent(address, token, CUSTOMERS, kind="customers")
    pages = ["/", *(f"/jobs/{job}/" for job in (report, failed, imported)), f"/jobs/{report}/remove"]
    pages += [f"/jobs/{imported}/undo", "/customers/", "/files/", "/account/activity/"]
    lists = ("reports/job", "uploads/upload", "reports/customer", "accounts/auditentry")
    pages += [f"/admin/{name}/" for name in lists] + [f"/admin/reports/job/{job}/change/" for job in (report, failed)]
    for path in pages:
        check(operator, address + path)


def talk(address: str, *messages: bytes, seconds: float = 10) -> bytes:
    """What the server answers until it closes."""
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=seconds) as connection:
        for message in messages:
            connection.sendall(message)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return answer


def test_headers_that_are_too_many_or_too_long_are_refused(address: str) -> None:
    start = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    for more in (b"X: " + b"x" * 20_000 + b"\r\n", b"".join(b"X-%d: 1\r\n" % number for number in range(2000))):
        answer = talk(address, start, more, b"Connection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 431")


def test_a_host_that_is_none_is_refused(address: str) -> None:
    for host in (b"evil.example", b"localhost\x00evil", b"localhost evil"):
        answer = talk(address, b"GET /accounts/login/ HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400"), host


def test_clients_that_say_nothing_hold_nobody_up(address: str) -> None:
    """They cost a socket each, not a thread. A proxy, which has timeouts, keeps them away; see docs/security.md."""
    parts = urlsplit(address)
    where = (parts.hostname or "", parts.port or 0)
    idle = [socket.create_connection(where, timeout=10) for _number in range(100)]
    try:
        for connection in idle:
            connection.sendall(b"POST /accounts/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx")
        began = time.monotonic()
        assert requests.get(f"{address}/healthz", timeout=10).status_code == 200
        assert requests.get(f"{address}/accounts/login/", timeout=10).status_code == 200
        assert time.monotonic() - began < 8
    finally:
        for connection in idle:
            connection.close()
