"""The threads in which calls and sockets wait keep their connection to the database while there is work, no longer."""

import threading
from typing import Any

import pytest
from django.db import connection, connections

from accounts.models import User
from reports import threads
from reports.threads import Threads
from tests.services import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def look() -> tuple[int, Any]:
    """The thread, and its connection."""
    User.objects.exists()
    return threading.get_ident(), connection.connection


def test_a_thread_keeps_its_connection_from_one_call_to_the_next() -> None:
    one = Threads(1)
    first = one.submit(look).result(10)
    assert first[0] != threading.get_ident()
    assert one.submit(look).result(10) == first


def test_a_thread_without_work_leaves_no_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "REST_SECONDS", 0.01)
    one = Threads(1)

    def wrapper() -> Any:
        User.objects.exists()
        return connections["default"]

    used = one.submit(wrapper).result(10)
    wait_until(lambda: used.connection is None, what="the end of the connection")


def test_a_connection_whose_transaction_was_left_open_is_not_used_again() -> None:
    one = Threads(1)

    def leave_open() -> tuple[int, Any]:
        connection.set_autocommit(False)
        return look()

    left = one.submit(leave_open).result(10)
    thread, opened = one.submit(look).result(10)
    assert thread == left[0]
    assert opened is not left[1]


def test_there_are_never_more_than_asked_for() -> None:
    two, gate = Threads(2), threading.Event()
    at_work = [two.submit(gate.wait, 10) for _ in range(2)]
    waiting = two.submit(threading.get_ident)
    wait_until(lambda: all(future.running() for future in at_work), what="both at work")
    assert not waiting.running()
    gate.set()
    assert waiting.result(10)


def test_what_is_raised_reaches_who_asked_and_the_thread_lives_on() -> None:
    one = Threads(1)
    with pytest.raises(ZeroDivisionError):
        one.submit(lambda: 1 // 0).result(10)
    assert one.submit(lambda: 1).result(10) == 1


def test_when_they_have_settled_nothing_goes_on() -> None:
    several, release, done = Threads(3), threading.Event(), threading.Event()

    def work() -> None:
        assert release.wait(10)
        done.set()

    several.settle()
    several.submit(work)
    threading.Timer(0.1, release.set).start()
    several.submit(look).result(10)
    several.settle()
    assert done.is_set()
