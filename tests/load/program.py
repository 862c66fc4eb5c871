"""The programs that ask the servers: processes of their own, told what to do on standard input by lines of JSON."""

import asyncio
import json
import resource
import sys
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

from tests.services.processes import ROOT

# Of a line: what a thousand sockets were told.
LONGEST_LINE = 1 << 30
Told = dict[str, Any]


def raise_limit_of_files() -> None:
    """A socket is a file, and a thousand are often the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def serve(answer: Callable[[Told], Coroutine[Any, Any, Told]]) -> None:
    """In the program: answer each line that comes, on one loop, until none does."""
    raise_limit_of_files()

    async def all_lines() -> None:
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await answer(json.loads(line))), flush=True)

    asyncio.run(all_lines())


class Program:
    """One that has been started; `async with` ends it."""

    def __init__(self, module: str) -> None:
        self._module = module

    async def __aenter__(self) -> "Program":
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._module,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, **what: Any) -> Told:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._module} has ended")
        told: Told = json.loads(line)
        return told
