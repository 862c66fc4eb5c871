"""What processes take while something goes on, by kind: seconds of CPU, and the most memory."""

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType

import psutil

# Looking at the memory of forty processes costs some milliseconds.
INTERVAL = 0.5
MIB = 2**20


class Weighing:
    """From `async with` to its end. Each kind of process has the pids of those that were started; their children belong
    to it. Memory that several share counts once (PSS)."""

    def __init__(self, kinds: Mapping[str, list[int]]) -> None:
        self._kinds = {kind: [psutil.Process(pid) for pid in pids] for kind, pids in kinds.items()}
        self.cpu: dict[str, float] = {}
        self.peak: dict[str, float] = {}

    async def __aenter__(self) -> "Weighing":
        self._before = {kind: _seconds(processes) for kind, processes in self._kinds.items()}
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self.cpu = {one: _seconds(processes) - self._before[one] for one, processes in self._kinds.items()}

    async def _look(self) -> None:
        while True:
            for kind, processes in self._kinds.items():
                taken = await asyncio.to_thread(memory, processes)
                self.peak[kind] = max(self.peak.get(kind, 0.0), taken)
            await asyncio.sleep(INTERVAL)


def memory(processes: list[psutil.Process]) -> float:
    """MiB of these and their children."""
    total = 0
    for process in _family(processes):
        with contextlib.suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total / MIB


def _seconds(processes: list[psutil.Process]) -> float:
    """Also of children that have ended."""
    total = 0.0
    for process in _family(processes):
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total


def _family(processes: list[psutil.Process]) -> list[psutil.Process]:
    found = list(processes)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            found += process.children(recursive=True)
    return found
