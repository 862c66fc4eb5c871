"""`manage.py serve`, which says when a call of WatchJob begins and when it has ended: no client can see that."""

import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import django
from django.core.management import execute_from_command_line


def listen() -> None:
    from reports.rpc.service import SalesService

    watch = SalesService.WatchJob

    async def watch_job(self: SalesService, request: Any, context: Any) -> AsyncIterator[Any]:
        print("WatchJob begins", flush=True)
        try:
            async for status in watch(self, request, context):
                yield status
        finally:
            print("WatchJob has ended", flush=True)

    SalesService.WatchJob = watch_job  # type: ignore[method-assign]


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "salesagg.settings"
    django.setup()
    listen()
    execute_from_command_line(["manage.py", "serve", *sys.argv[1:]])
