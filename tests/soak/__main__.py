"""Runs the soak; see `tests.soak`."""

import os
import random
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from tests.services import Postgres, Redis
from tests.services.site import log_in
from tests.services.watching import Page
from tests.soak.checks import check_all
from tests.soak.files import File, make_all
from tests.soak.people import END_SECONDS, Ledger, Person
from tests.soak.settings import Plan
from tests.soak.world import World


def main() -> int:
    plan = Plan()
    print(f"{plan}", flush=True)
    with ExitStack() as stack:
        folder = Path(plan.folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="salesagg-soak-")))
        folder.mkdir(parents=True, exist_ok=True)
        # Of the server of PostgreSQL, which another user may run.
        folder.chmod(0o755)
        os.environ.setdefault("STATIC_ROOT", str(folder / "static"))
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salesagg.settings")
        Path(os.environ["STATIC_ROOT"]).mkdir(exist_ok=True)
        files = make_all(folder / "sources", plan.seed, plan.megabytes)
        print(f"{len(files)} files, {sum(file.path.stat().st_size for file in files) / 1e6:.0f} MB", flush=True)
        world = World(folder, plan.storage)
        stack.callback(world.end)
        ledger = soak(plan, world, files)
    print(f"\n{'FAILED' if ledger.faults else 'well'}, seed {plan.seed}")
    for fault in ledger.faults:
        print(f"FAULT {fault}")
    return 1 if ledger.faults else 0


def soak(plan: Plan, world: World, files: list[File]) -> Ledger:
    ledger = Ledger()
    with ExitStack() as stack:
        pages = [stack.enter_context(Page(address, log_in(address))) for address in world.addresses()]
        world.subscribe()
        people = [Person(number, world, files, ledger, plan.seed) for number in range(plan.people)]
        for person in people:
            person.start()
        hurt(plan, world, ledger)
        for person in people:
            person.ended.set()
        for person in people:
            person.join(2 * END_SECONDS)
            if person.is_alive():
                ledger.blame(f"{person.name} still waits")
        check_all(world, ledger, pages)
        tell(world, ledger, "the end")
        print(f"pages connected {[page.connections for page in pages]} times")
    return ledger


def hurt(plan: Plan, world: World, ledger: Ledger) -> None:
    """One kill after another, a restart of Redis after a third of the time, of PostgreSQL after two; and tell."""
    numbers, ended = random.Random(plan.seed), threading.Event()
    began = told = time.monotonic()
    restarts: list[tuple[float, Postgres | Redis]] = [
        (plan.seconds / 3, world.redis),
        (plan.seconds * 2 / 3, world.postgres),
    ]
    # A short soak on a busy machine may find no time for both restarts; it takes it.
    while (now := time.monotonic() - began) < plan.seconds or restarts:
        ended.wait(min(plan.kill_seconds, max(plan.seconds - now, 0)))
        if restarts and time.monotonic() - began >= restarts[0][0]:
            done = world.restart(restarts.pop(0)[1])
        else:
            done = world.hurt(numbers, ended)
        for place in world.fallen():
            ledger.blame(f"a {place.sort} has ended by itself:\n{place.process.output[-2000:]}")
            place.replace()
        world.look()
        if time.monotonic() - told > 55 or plan.kill_seconds < 30:
            told = time.monotonic()
            tell(world, ledger, f"{(told - began) / 60:.1f} min, {done}")


def tell(world: World, ledger: Ledger, when: str) -> None:
    def of(counts: dict[str, int]) -> str:
        return ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "none"

    memory = {sort: f"{size >> 20}" for sort, size in world.peaks.items()}
    print(
        f"{when}: {of(ledger.counts)} | {of(world.kills)} | errors met: {of(ledger.errors)} | "
        f"most MiB: {memory} | faults: {len(ledger.faults)}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
