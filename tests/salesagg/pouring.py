"""An ASGI application for `test_back_pressure`: it pours, and tells how much."""

import asyncio
import json
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salesagg.settings")

from salesagg import back_pressure, http_channel

back_pressure.PATIENCE_SECONDS = float(os.environ["PATIENCE_SECONDS"])
http_channel.install()
back_pressure.install()
PIECE = bytes(range(256)) * 1024
told: dict[str, Any] = {"sent": 0, "over": ""}


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/told":
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})
        return
    if scope["path"].startswith("/fail/"):
        await _fail(int(scope["path"].removeprefix("/fail/")), send)
    pouring = asyncio.create_task(_pour(int(scope["path"].strip("/")), send))
    leaving = asyncio.create_task(_left(receive))
    await asyncio.wait((pouring, leaving), return_when=asyncio.FIRST_COMPLETED)
    told["over"] = "poured" if pouring.done() else "left"
    pouring.cancel()
    leaving.cancel()


async def _pour(pieces: int, send: Any) -> None:
    told["sent"] = 0
    for _number in range(pieces):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        told["sent"] += len(PIECE)
        # As an application does that reads what it sends from somewhere.
        await asyncio.sleep(0)
    await send({"type": "http.response.body"})


async def _fail(pieces: int, send: Any) -> None:
    for _number in range(pieces):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    raise RuntimeError("the store breaks off")


async def _left(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
