"""The site of docker-compose.yml on one machine: every command is the file's own, only addresses and folders differ."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import psycopg

from tests.deploy.compose import Compose
from tests.services import Postgres, Process, free_port
from tests.services.backing import postgres_program, redis_server, store_ports
from tests.services.processes import ROOT
from tests.services.site import change_password, log_in

BIN = Path(sys.executable).parent
# So that tests reach what people seldom do.
SETTINGS = {"API_REQUESTS_PER_MINUTE_PER_ADDRESS": "100", "LEASE_SECONDS": "3", "SWEEP_SECONDS": "0.5"}


class Stage:
    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self.folder = folder
        self.port, self.rpc_port, self.web_ports = free_port(), free_port(), (free_port(), free_port())
        self.store_port, self.redis_port = free_port(), free_port()
        self.address = f"http://localhost:{self.port}"
        self.compose = Compose(SITE_URL=self.address, SITE_ADDRESS=f":{self.port}", WINDOW_BYTES="500000", **SETTINGS)
        self._places = {
            "redis://redis:6379": f"redis://127.0.0.1:{self.redis_port}",
            "http://store:8333": f"http://127.0.0.1:{self.store_port}",
            "/usr/bin/weed": str(BIN / "weed"),
            "-dir=/data": f"-dir={folder / 'objects'}",
            "/run/salesagg": str(folder / "run"),
            "/volumes/store": str(folder / "objects"),
            "/etc/caddy/Caddyfile": str(ROOT / "deploy" / "Caddyfile"),
            "0.0.0.0": "127.0.0.1",  # noqa: S104
        }
        self._env = {
            "DATABASE_URL": postgres.url.replace("postgres@/postgres", "salesagg@/salesagg"),
            "DATA_DIR": str(folder / "data"),
            # One machine has one port 9100.
            "METRICS_PORT": "0",
            "SECRET_KEY": "",
        }
        self.superuser = postgres.url
        # As PGPASSFILE says it to the processes.
        self.database = f"{self._env['DATABASE_URL']}&passfile={folder / 'run' / 'secrets' / 'pgpass'}"
        self.email = "admin@localhost"
        self.webs: list[Process] = []
        self.workers: list[Process] = []
        self.processes: list[Process] = []

    def begin(self) -> None:
        (self.folder / "run").mkdir()
        (self.folder / "objects").mkdir()
        static = Path(os.environ["STATIC_ROOT"])
        if not (static / "staticfiles.json").exists():
            # As the image's build does.
            self._end_well(
                Process(self._program(["python", "manage.py", "collectstatic", "--noinput"]), log=self._log("s"))
            )
        self._end_well(self.run("secrets"))
        self._prepare_database()
        self.start_redis()
        self.start_store()
        self._end_well(self.run("migrate"))
        self.first_password = (self.folder / "run" / "secrets" / "admin_password").read_text().strip()
        for port in self.web_ports:
            self.start_web(port)
        self.start_worker()
        self.start_worker()
        self.rpc = rpc = self.run("grpc", GRPC_PORT=str(self.rpc_port))
        for port, web in zip(self.web_ports, self.webs, strict=True):
            web.wait_for_port(port)
        for worker in self.workers:
            worker.wait_for_output(" ready.")
        rpc.wait_for_port(self.rpc_port)
        self.proxy = self.run(
            "proxy",
            WEB="listed",
            WEB_ADDRESSES=" ".join(f"127.0.0.1:{port}" for port in self.web_ports),
            GRPC_ADDRESS=f"127.0.0.1:{self.rpc_port}",
            STORE_ADDRESS=f"127.0.0.1:{self.store_port}",
            STATIC_PARENT=str(static.parent),
            HEALTH_PORT=str(free_port()),
            XDG_DATA_HOME=str(self.folder / "caddy"),
        )
        self.proxy.wait_for_port(self.port)
        self.password = "the second password"
        self.first_session = log_in(self.address, self.email, self.first_password)
        self.seen_first = self.first_session.get(f"{self.address}/admin/", timeout=20).url
        change_password(self.first_session, self.address, self.first_password, self.password)

    def _prepare_database(self) -> None:
        """The file that PostgreSQL's image runs at its first start; from then on the role needs its password."""
        [folder] = [mount for mount in self.compose.services["postgres"]["volumes"] if "initdb.d" in mount]
        env = {name: self._here(value) for name, value in self.compose.environment("postgres").items()}
        for file in sorted((ROOT / folder.split(":")[0]).iterdir()):
            command = [
                postgres_program("psql"),
                "-v",
                "ON_ERROR_STOP=1",
                "--no-psqlrc",
                self.superuser,
                "-f",
                str(file),
            ]
            subprocess.run(command, env=os.environ | env, check=True, capture_output=True, timeout=60)
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            [hba] = connection.execute("SHOW hba_file").fetchone() or ()
            rules = Path(hba).read_text()
            Path(hba).write_text(f"local all salesagg scram-sha-256\n{rules}")
            connection.execute("SELECT pg_reload_conf()")

    def start_redis(self) -> None:
        (self.folder / "hints").mkdir()
        options = ["--port", str(self.redis_port), "--bind", "127.0.0.1", "--dir", str(self.folder / "hints")]
        self.redis = self.run("redis", more=options)
        self.redis.wait_for_port(self.redis_port)

    def start_store(self) -> None:
        self.store = self.run("store", more=store_ports(self.store_port))
        self.store.wait_for_port(self.store_port)

    def start_web(self, port: int) -> Process:
        self.webs.append(self.run("web", replace={"8000": str(port)}))
        return self.webs[-1]

    def start_worker(self) -> Process:
        # Containers have names of their own.
        self.workers.append(self.run("worker", more=[f"--hostname=w{len(self.processes)}@%h"]))
        return self.workers[-1]

    def run(
        self, service: str, *, replace: dict[str, str] | None = None, more: list[str] | None = None, **env: str
    ) -> Process:
        """The service's command with its environment, here."""
        words = [(replace or {}).get(word, self._here(word)) for word in self.compose.command(service)]
        given = self.compose.environment(service)
        told = {name: self._here(value) for name, value in given.items()}
        if service not in ("proxy", "store", "redis"):
            told |= self._env
        process = Process(self._program([*words, *(more or [])]), env=told | env, log=self._log(service))
        self.processes.append(process)
        return process

    def probe(self, service: str, *, port: int, **env: str) -> int:
        """What the service's health check ends with."""
        _, *words = self.compose.services[service]["healthcheck"]["test"]
        words = [word.replace("8000", str(port)).replace("50051", str(port)) for word in words]
        told = {name: self._here(value) for name, value in self.compose.environment(service).items()}
        process = Process(self._program(words), env=told | self._env | env, log=self._log("probe"))
        return process.wait(timeout=30)

    def manage(self, *words: str) -> str:
        told = {name: self._here(value) for name, value in self.compose.environment("web").items()}
        process = Process(self._program(["python", "manage.py", *words]), env=told | self._env, log=self._log("manage"))
        return self._end_well(process).strip()

    def query(self, sql: str) -> object:
        with psycopg.connect(self.database) as connection:
            row = connection.execute(sql.encode()).fetchone()
            return row[0] if row else None

    def dumped(self, to: Path) -> Path:
        """The database, by the options that docs/deploy.md names."""
        command = [postgres_program("pg_dump"), "--format=custom", f"--dbname={self.database}", f"--file={to}"]
        subprocess.run(command, check=True, timeout=60)
        return to

    def restored(self, dump: Path) -> str:
        """A new database with what is in the dump."""
        name = f"restored_{uuid.uuid4().hex}"
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" OWNER salesagg'.encode())
        url = self.database.replace("/salesagg?", f"/{name}?")
        command = [postgres_program("pg_restore"), "--exit-on-error", "--no-owner", f"--dbname={url}", str(dump)]
        subprocess.run(command, check=True, timeout=60)
        return url

    def end(self) -> None:
        for process in reversed(self.processes):
            process.end()

    def _here(self, text: str) -> str:
        for there, here in self._places.items():
            text = text.replace(there, here)
        return text

    @staticmethod
    def _program(words: list[str]) -> list[str]:
        return [redis_server() if words[0] == "redis-server" else str(BIN / words[0]), *words[1:]]

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}-{len(self.processes)}-{len(list(self.folder.iterdir()))}.log"

    @staticmethod
    def _end_well(process: Process) -> str:
        assert process.wait(timeout=90) == 0, process.output
        return process.output
