"""Sockets and event streams of a real server end within seconds after what they were opened with."""

import json
import os
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.services.processes import ROOT
from tests.services.site import EMAIL, PASSWORD, Site, change_password, log_in, sign_up, submit

# The first test starts the server.
pytestmark = pytest.mark.timeout(400)
NEW = "another long phrase"
# Only there to end a hang.
PATIENCE = 60


@dataclass
class Person:
    """Somebody with a page open, a program that watches a job, and a second browser."""

    address: str
    email: str
    pk: int
    token: str

    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def begin_job(self) -> str:
        """A job that waits for its upload."""
        headers = self.bearer() | {"Tus-Resumable": "1.0.0", "Upload-Length": "1000"}
        requests.post(f"{self.address}/uploads/", headers=headers, timeout=20).raise_for_status()
        jobs = requests.get(f"{self.address}/api/jobs", headers=self.bearer(), timeout=20).json()
        return str(jobs["items"][0]["jobId"])


class Ending(threading.Thread):
    """Waits for the end of a connection."""

    def __init__(self, wait: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._wait = wait
        self.result: Any = None
        self.start()

    def run(self) -> None:
        self.result = self._wait()

    def join_or_fail(self) -> Any:
        self.join(PATIENCE)
        assert not self.is_alive()
        return self.result


def socket_of(person: Person, browser: requests.Session) -> Ending:
    """An open page; its result is the code with which the server closes it."""
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
    url = person.address.replace("http", "ws", 1) + "/ws/jobs/"
    opened = ExitStack()
    socket = opened.enter_context(connect(url, additional_headers={"Cookie": cookies}, origin=Origin(person.address)))
    assert json.loads(socket.recv(timeout=20))["type"] == "snapshot"

    def wait() -> int:
        with opened:
            try:
                while True:
                    socket.recv()
            except ConnectionClosed:
                return socket.close_code or 0

    return Ending(wait)


def stream_of(person: Person, job: str, *, client: Any = requests, headers: Any = None) -> Ending:
    """An open event stream; its result are the events that came before the server ended it."""
    url = f"{person.address}/api/jobs/{job}/stream"
    answer = client.get(url, headers=headers, stream=True, timeout=PATIENCE)
    answer.raise_for_status()
    lines = answer.iter_lines(chunk_size=1)
    assert any(line == b"event: snapshot" for line in lines)

    def wait() -> list[bytes]:
        try:
            return [line for line in lines if line.startswith(b"event")]
        except requests.RequestException:
            return [b"broken"]

    return Ending(wait)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    mails = tmp_path_factory.mktemp("mails")
    started = Site(tmp_path_factory.mktemp("site"), EMAIL_URL=f"filemail:///{mails}", MAILS=str(mails))
    started.prepare()
    yield started
    started.end()


@pytest.fixture(scope="module")
def address(site: Site) -> str:
    return site.serve()


@pytest.fixture
def person(address: str) -> Person:
    return register(address)


def register(address: str) -> Person:
    """A person who has just signed up and made a token."""
    email = f"{uuid.uuid4().hex}@example.org"
    browser = sign_up(address, email)
    page = submit(browser, f"{address}/account/tokens/", name="program", scopes="read write", days="7")
    token = re.search(r'value="(salesagg_[^"]+)"', page.text)
    assert token
    limits = requests.get(f"{address}/api/limits", headers={"Authorization": f"Bearer {token[1]}"}, timeout=20).json()
    return Person(address, email, int(limits["importPrefix"].split("/")[1]), token[1])


def change(site: Site, person: Person, elsewhere: requests.Session) -> None:
    change_password(elsewhere, person.address, PASSWORD, NEW)


def reset(site: Site, person: Person, elsewhere: requests.Session) -> None:
    anybody = requests.Session()
    submit(anybody, f"{person.address}/accounts/password/reset/", email=person.email)
    mails = [path.read_text() for path in Path(site.env["MAILS"]).iterdir()]
    key = r"/accounts/password/reset/key/\S+"
    path = next((re.search(key, mail) for mail in mails if person.email in mail and re.search(key, mail)), None)
    assert path
    submit(anybody, f"{person.address}{path[0]}", password1=NEW, password2=NEW)


def lock(site: Site, person: Person, elsewhere: requests.Session) -> None:
    operator = log_in(person.address, EMAIL)
    fields = {"email": person.email, "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    answer = submit(operator, f"{person.address}/admin/accounts/user/{person.pk}/change/", **fields)
    assert answer.url.endswith("/admin/accounts/user/"), answer.text


def command(site: Site, person: Person, elsewhere: requests.Session) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "changepassword", person.email],
        cwd=ROOT,
        env=os.environ | site.env,
        input=f"{NEW}\n{NEW}\n",
        text=True,
        check=True,
        timeout=PATIENCE,
        start_new_session=True,
    )


def delete(site: Site, person: Person, elsewhere: requests.Session) -> None:
    submit(elsewhere, f"{person.address}/account/delete", email=person.email)


HOW = {"changed": change, "reset": reset, "locked": lock, "command": command, "deleted": delete}


@pytest.mark.parametrize(
    "how",
    ["changed", "locked", *(pytest.param(how, marks=pytest.mark.deep) for how in ("reset", "command", "deleted"))],
)
def test_connections_end_with_what_opened_them(site: Site, person: Person, how: str) -> None:
    here, elsewhere = log_in(person.address, person.email), log_in(person.address, person.email)
    job = person.begin_job()
    page, stream = socket_of(person, here), stream_of(person, job, client=here)
    HOW[how](site, person, elsewhere)
    assert page.join_or_fail() == 4401
    # With the account the job is deleted, which the stream may have been told.
    assert stream.join_or_fail() in ([], [b"event: deleted"])
    assert here.get(f"{person.address}/account/", timeout=20, allow_redirects=False).status_code == 302


def test_a_revoked_token_ends_its_stream_and_no_other_connection(person: Person) -> None:
    browser = log_in(person.address, person.email)
    job = person.begin_job()
    page, other = socket_of(person, browser), stream_of(person, job, client=browser)
    stream = stream_of(person, job, headers=person.bearer())
    tokens = browser.get(f"{person.address}/account/tokens/", timeout=20).text
    path = re.search(r"/account/tokens/\d+/revoke", tokens)
    assert path
    submit(browser, f"{person.address}{path[0]}")
    assert stream.join_or_fail() == []
    assert page.is_alive()
    assert other.is_alive()


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[str]:
    """A site on which a person may have five streams open."""
    started = Site(tmp_path, MAX_OPEN_STREAMS="5")
    started.prepare()
    yield started.serve()
    started.end()


@pytest.mark.deep
def test_a_burst_opens_as_many_streams_as_the_limit(limited: str) -> None:
    address, person = limited, register(limited)
    job = person.begin_job()
    together = threading.Barrier(50)
    statuses: list[int] = []
    answers: list[requests.Response] = []

    def open_one() -> None:
        together.wait(PATIENCE)
        url = f"{address}/api/jobs/{job}/stream"
        answer = requests.get(url, headers=person.bearer(), stream=True, timeout=PATIENCE)
        statuses.append(answer.status_code)
        answers.append(answer)

    threads = [threading.Thread(target=open_one) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(statuses) == 5 * [200] + 45 * [429]
    for answer in answers:
        answer.close()
