"""docs/webhooks.md is true: its receiver receives, its verification verifies."""

import os
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from reports.models import Delivery, Job
from reports.webhooks import management, sending, signing
from tests.files import sales_csv
from tests.reports.webhooks.receiver import Receiver
from tests.services import Process, free_port
from tests.services.processes import ROOT

pytestmark = pytest.mark.django_db(transaction=True)
DOCUMENT = ROOT / "docs" / "webhooks.md"


def example(containing: str) -> str:
    [found] = [
        code for code in re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL) if containing in code
    ]
    return str(found)


@pytest.fixture
def receiving(user: User, tmp_path: Path) -> Iterator[Path]:
    """The documented receiver as a program, which one of the user's webhooks tells; gives where it writes."""
    port, database = free_port(), tmp_path / "received.sqlite3"
    (tmp_path / "receiver.py").write_text(example("class Receiver"))
    webhook = management.create(user, f"http://127.0.0.1:{port}/")
    env = {**os.environ, "WEBHOOK_SECRET": webhook.secret, "PORT": str(port), "DATABASE": str(database)}
    process = Process([sys.executable, str(tmp_path / "receiver.py")], env=env, log=tmp_path / "receiver.log")
    process.wait_for_port(port)
    yield database
    process.end()


def received(database: Path) -> list[tuple[str, ...]]:
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT * FROM reports").fetchall()
    connection.close()
    return rows


def test_the_receiver_takes_each_message_once(receiving: Path, finished: Callable[..., Job]) -> None:
    job = finished(sales_csv(50))
    message = Delivery.objects.get()
    for _ in range(2):
        assert sending.attempt(message.pk)
        message.refresh_from_db()
        assert message.state == "delivered", message.error
        assert received(receiving) == [(str(message.pk), str(job.pk), "completed")]
        management.send_again(message)


def test_the_receiver_refuses_what_is_signed_by_another(receiving: Path, finished: Callable[..., Job]) -> None:
    finished(sales_csv(50))
    message = Delivery.objects.select_related("webhook").get()
    management.renew_secret(message.webhook)
    sending.attempt(message.pk)
    message.refresh_from_db()
    assert message.status_code == 401
    assert received(receiving) == []


def test_the_verification_by_hand_agrees(receiver: Receiver, message: Delivery) -> None:
    namespace: dict[str, Any] = {}
    exec(example("def verify"), namespace)  # noqa: S102  (our own document)
    verify, secret = namespace["verify"], message.webhook.secret
    sending.attempt(message.pk)
    got = receiver.next()
    headers = dict(got.headers)
    assert verify(headers, got.body, secret)
    assert not verify(headers, got.body + b" ", secret)
    assert not verify(headers | {"webhook-id": "another"}, got.body, secret)
    assert not verify(headers | {"webhook-timestamp": "1795348800"}, got.body, secret)
    old = str(int(headers["webhook-timestamp"]) - 301)
    signed = signing.headers(got.id, got.body.decode(), secrets=[secret], timestamp=int(old))
    assert not verify(signed, got.body, secret)


def test_codes_waits_and_limits_are_as_documented() -> None:
    document = DOCUMENT.read_text()
    sources = [*(ROOT / "reports" / "webhooks").glob("*.py")]
    raised = set(re.findall(r'Refusal\(\s*"(\w+)"', "".join(path.read_text() for path in sources)))
    assert {code for code in raised if f"`{code}`" not in document} == set()
    assert len(raised) >= 5
    minutes = [wait.total_seconds() / 60 for wait in sending.WAITS]
    assert minutes == [5 / 60, 5, 30, *(60 * hours for hours in (2, 5, 10, 14, 20, 24))]
    assert management.MAX_WEBHOOKS == 10
    assert management.KEPT.days == 30
