"""So many requests are worked on at once; the others wait for their turn, not for whole answers."""

import asyncio
from typing import Any

import pytest

from salesagg.turns import Turns

START = {"type": "http.response.start", "status": 200, "headers": []}


class App:
    """An application that stays at work until `begin` is set, and with its answer until `end` is."""

    def __init__(self) -> None:
        self.at_work = self.most = 0
        self.begin, self.end = asyncio.Event(), asyncio.Event()
        self.begun = asyncio.Semaphore(0)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        self.begun.release()
        try:
            await self.begin.wait()
        finally:
            self.at_work -= 1
        if scope.get("fails"):
            raise ValueError("before the answer")
        await send(START)
        await self.end.wait()


class Client:
    def __init__(self, turns: Turns, **scope: Any) -> None:
        self.sent: list[Any] = []
        self.task = asyncio.create_task(turns(scope, None, self.send))

    async def send(self, message: Any) -> None:
        self.sent.append(message)


async def test_no_more_than_the_limit_are_worked_on() -> None:
    app = App()
    turns = Turns(app, limit=3)
    clients = [Client(turns) for _ in range(10)]
    for _ in range(3):
        await app.begun.acquire()
    assert app.most == 3
    app.begin.set()
    app.end.set()
    await asyncio.gather(*(client.task for client in clients))
    assert app.most == 3
    assert [client.sent for client in clients] == [[START]] * 10


async def test_an_answer_that_goes_on_holds_up_nobody() -> None:
    app = App()
    app.begin.set()
    turns = Turns(app, limit=1)
    clients = [Client(turns) for _ in range(10)]
    async with asyncio.timeout(20):
        for _ in clients:
            await app.begun.acquire()
    app.end.set()
    await asyncio.gather(*(client.task for client in clients))


@pytest.mark.parametrize("how", ["fails", "is cancelled"])
async def test_a_request_without_an_answer_gives_its_turn_back(how: str) -> None:
    app = App()
    turns = Turns(app, limit=1)
    first = Client(turns, fails=how == "fails")
    await app.begun.acquire()
    if how == "fails":
        app.begin.set()
    else:
        first.task.cancel()
    with pytest.raises((ValueError, asyncio.CancelledError)):
        await first.task
    app.begin.set()
    app.end.set()
    async with asyncio.timeout(20):
        await Client(turns).task


async def test_that_it_is_alive_is_told_while_all_others_wait() -> None:
    app = App()
    turns = Turns(app, limit=1)
    hanging = Client(turns)
    await app.begun.acquire()
    alive = Client(turns, path="/healthz")
    await asyncio.wait_for(app.begun.acquire(), 5)
    assert app.at_work == 2
    app.begin.set()
    app.end.set()
    await asyncio.gather(hanging.task, alive.task)
