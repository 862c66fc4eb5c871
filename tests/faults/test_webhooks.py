"""A webhook's receiver is told although whoever sends is killed in the middle of it, and acts once."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import requests
from tusclient.exceptions import TusCommunicationError

from tests.files import write_sales
from tests.reports.webhooks.receiver import Receiver
from tests.services import wait_until
from tests.services.site import Site
from tests.services.tus import upload


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site in one process, that may send to this machine."""
    started = Site(tmp_path, SWEEP_SECONDS="0.5", LEASE_SECONDS="2", WEBHOOKS_TO_PRIVATE_ADDRESSES="true")
    yield started
    started.end()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    started = Receiver()
    yield started
    started.close()


def run(site: Site, sql: str) -> Any:
    with sqlite3.connect(site.folder / "data" / "db.sqlite3", timeout=20) as connection:
        row = connection.execute(sql).fetchone()
    connection.close()
    return row and row[0]


def add_webhook(site: Site, address: str, token: str, receiver: Receiver) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    made = requests.post(f"{address}/api/webhooks", json={"url": receiver.url}, headers=headers, timeout=20)
    assert made.status_code == 201, made.text
    receiver.secret = made.json()["secret"]


def state(site: Site) -> Any:
    return run(site, "SELECT state FROM reports_delivery")


@pytest.mark.deep
def test_a_receiver_that_fails_twice_is_told_by_a_running_site_once_it_recovers(
    site: Site, receiver: Receiver, tmp_path: Path
) -> None:
    token = site.prepare()
    address = site.serve()
    add_webhook(site, address, token, receiver)
    receiver.replies = [500, 503]
    upload(address, token, write_sales(tmp_path / "sales.csv", 100_000))
    first, second = receiver.next(), receiver.next()  # after about five seconds, by itself
    wait_until(lambda: run(site, "SELECT status_code FROM reports_delivery") == 503, what="the second answer")
    assert receiver.effects == {}
    run(site, "UPDATE reports_delivery SET next_attempt_at = '2020-01-01'")
    third = receiver.next()
    assert first.id == second.id == third.id
    wait_until(lambda: state(site) == "delivered", what="the delivery")
    [told] = receiver.effects.values()
    assert (told["type"], told["data"]["fileName"]) == ("job.completed", "sales.csv")


@pytest.mark.deep
def test_a_site_that_is_killed_while_it_sends_tells_again_after_its_next_start(
    site: Site, receiver: Receiver, tmp_path: Path
) -> None:
    token = site.prepare()
    address = site.serve()
    add_webhook(site, address, token, receiver)

    def kill_the_sender(handler: BaseHTTPRequestHandler) -> None:
        os.killpg(site.processes[-1].pid, signal.SIGKILL)

    receiver.replies = [kill_the_sender]
    upload_and_be_killed(address, token, tmp_path)
    first = receiver.next()
    site.processes[-1].wait(timeout=10)
    assert (state(site), run(site, "SELECT attempts FROM reports_delivery")) == ("pending", 1)
    assert list(receiver.effects) == [first.id]
    # As if the two minutes of its claim were over.
    run(site, "UPDATE reports_delivery SET next_attempt_at = '2020-01-01'")
    site.serve()
    assert receiver.next().id == first.id
    wait_until(lambda: state(site) == "delivered", what="the delivery")
    assert list(receiver.effects) == [first.id]
    assert run(site, "SELECT count(*) FROM reports_delivery") == 1


def upload_and_be_killed(address: str, token: str, folder: Path) -> None:
    """The job ends, and with it the site, perhaps before it has answered the last request."""
    with suppress(requests.RequestException, OSError, TusCommunicationError):
        upload(address, token, write_sales(folder / "sales.csv", 100_000))


def test_a_site_ends_at_once_while_a_receiver_hangs(site: Site, receiver: Receiver, tmp_path: Path) -> None:
    token = site.prepare()
    address = site.serve()
    add_webhook(site, address, token, receiver)
    receiver.replies = [lambda handler: handler.connection.recv(1)]
    upload(address, token, write_sales(tmp_path / "sales.csv", 100_000))
    receiver.next()
    process = site.processes[-1]
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=6) == 0
