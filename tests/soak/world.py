"""The product as it runs on many machines, with places where processes are killed and replaced."""

import random
import signal
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil
import requests

from tests.services import S3, Postgres, Process, Redis, free_port
from tests.services.site import Site, services_site

WEBS, WORKERS, RPCS = 2, 3, 1
LEASE = 5.0
# Memory that a process may have gained over what it took when it had warmed up.
GROWTH = 600 << 20
WORKER = ["worker", "--loglevel=INFO", "--without-mingle", "--without-gossip", "--concurrency=1"]
Server = TypeVar("Server", Postgres, Redis, S3)


@dataclass
class Place:
    """Where there is always a process of one sort: when it dies another one takes its place, at the same port."""

    sort: str
    start: Callable[[], Process]
    port: int
    process: Process
    memory: list[int] = field(default_factory=list)

    def replace(self) -> None:
        self.process = self.start()
        self.memory = []

    def look(self) -> int:
        """Its memory now, children included."""
        try:
            main = psutil.Process(self.process.pid)
            used = sum(process.memory_info().rss for process in [main, *main.children(recursive=True)])
        except psutil.NoSuchProcess:
            return 0
        self.memory.append(used)
        return used

    @property
    def has_grown(self) -> bool:
        return len(self.memory) > 5 and self.memory[-1] > max(self.memory[:3]) + GROWTH


class World:
    def __init__(self, folder: Path, storage: str) -> None:
        self.folder = folder
        self.kills: Counter[str] = Counter()
        self.peaks: Counter[str] = Counter()
        self._open: list[Postgres | Redis | S3] = []
        try:
            self.postgres, self.redis = self._opened(Postgres(folder)), self._opened(Redis(folder))
            s3 = self._opened(S3(folder)) if storage == "s3" else None
            env = {
                "LEASE_SECONDS": str(LEASE),
                "SWEEP_SECONDS": "2",
                "WINDOW_BYTES": str(1 << 20),
                "IMPORT_WINDOW_BYTES": str(64 << 10),
                "IDLE_TRANSACTION_SECONDS": "10",
                "API_REQUESTS_PER_MINUTE": "0",
                "API_REQUESTS_PER_MINUTE_PER_ADDRESS": "0",
                "UPLOADS_PER_MINUTE": "0",
                "UPLOADS_PER_MINUTE_PER_ADDRESS": "0",
                "MAX_OPEN_JOBS": "100000",
                "WEBHOOKS_TO_PRIVATE_ADDRESSES": "true",
            }
            self.site: Site = services_site(folder, self.postgres, self.redis, s3, env)
            self.token = self.site.prepare()
            self.places = self._places()
        except BaseException:
            self.end()
            raise

    def _opened(self, server: Server) -> Server:
        self._open.append(server)
        return server

    def _places(self) -> list[Place]:
        places = [self._place("web", self._web) for _ in range(WEBS)]
        places += [self._place("worker", self._worker) for _ in range(WORKERS)]
        return places + [self._place("grpc", self._rpc) for _ in range(RPCS)]

    def _place(self, sort: str, start: Callable[[int], Process]) -> Place:
        port = free_port()
        return Place(sort, lambda: start(port), port, start(port))

    def _web(self, port: int) -> Process:
        process = self.site.start("-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "salesagg.asgi:application")
        process.wait_for_port(port)
        return process

    def _worker(self, port: int) -> Process:
        process = self.site.start("-m", "celery", "-A", "salesagg", *WORKER, f"--hostname={uuid.uuid4().hex}@%h")
        process.wait_for_output(" ready.")
        return process

    def _rpc(self, port: int) -> Process:
        process = self.site.start("manage.py", "grpcserver", GRPC_PORT=str(port))
        process.wait_for_port(port)
        return process

    def addresses(self, sort: str = "web") -> list[str]:
        scheme = "http://localhost" if sort == "web" else "127.0.0.1"
        return [f"{scheme}:{place.port}" for place in self.places if place.sort == sort]

    def subscribe(self) -> None:
        """A webhook that nobody answers: its messages are written once for every end, and can be counted."""
        answer = requests.post(
            f"{self.addresses()[0]}/api/webhooks",
            json={"url": "http://127.0.0.1:9/"},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=20,
        )
        assert answer.status_code == 201, answer.text

    def hurt(self, numbers: random.Random, ended: threading.Event) -> str:
        """Kill a process and replace it, or let it sleep beyond its lease; returns what was done to which."""
        place = numbers.choice(self.places)
        if numbers.random() < 0.3:
            place.process.signal_group(signal.SIGSTOP)
            ended.wait(1.5 * LEASE)
            place.process.signal_group(signal.SIGCONT)
            done = f"{place.sort} slept"
        else:
            place.process.signal_group(signal.SIGKILL)
            place.process.wait(timeout=30)
            place.replace()
            done = f"{place.sort} killed"
        self.kills[done] += 1
        return done

    def restart(self, service: Postgres | Redis) -> str:
        if isinstance(service, Postgres):
            service.restart()
        else:
            service.process.signal_group(signal.SIGKILL)
            service.process.wait(timeout=30)
            service.start()
        name = type(service).__name__
        self.kills[f"{name} restarted"] += 1
        return f"{name} restarted"

    def fallen(self) -> list[Place]:
        """Places whose process has ended although nobody killed it."""
        return [place for place in self.places if place.process.returncode is not None]

    def look(self) -> None:
        for place in self.places:
            self.peaks[place.sort] = max(self.peaks[place.sort], place.look())

    def end(self) -> None:
        if hasattr(self, "site"):
            for process in self.site.processes:
                process.signal_group(signal.SIGCONT)
            self.site.end()
        for server in reversed(self._open):
            server.end()
