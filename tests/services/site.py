"""The product as it runs in earnest: its real commands as processes, on one machine."""

import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import requests
from requests.adapters import HTTPAdapter

from tests.services.backing import S3, Postgres, Redis
from tests.services.processes import ROOT, Process, free_port

EMAIL, PASSWORD = "ann@example.org", "correct horse battery"
# Making a database takes some seconds of a core, and every site needs one. The first of each server is kept, with the
# token of its user, and the others get copies.
_prepared: dict[str, tuple[str, str]] = {}


class Site:
    """Web and worker processes that share services, and one user."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.env = {"SECRET_KEY": "for tests alone", "DATA_DIR": str(folder / "data"), "LOG_LEVEL": "INFO", **env}
        self.processes: list[Process] = []

    def manage(self, *arguments: str, **env: str) -> str:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=os.environ | self.env | env,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
        ).stdout.strip()

    def prepare(self) -> str:
        """Database, static files and the user; returns an API token of theirs."""
        if not (Path(os.environ["STATIC_ROOT"]) / "staticfiles.json").exists():
            self.manage("collectstatic", "--noinput", "--verbosity=0")
        database = _Database.of(self)
        if database.server not in _prepared:
            self.manage("migrate", "--verbosity=0")
            self.manage("createsuperuser", "--noinput", f"--email={EMAIL}", DJANGO_SUPERUSER_PASSWORD=PASSWORD)
            token = self.manage("create_token", EMAIL)
            _prepared[database.server] = database.keep(), token
        else:
            database.copy(_prepared[database.server][0])
        return _prepared[database.server][1]

    def start(self, *command: str, **env: str) -> Process:
        log = self.folder / f"{len(self.processes)}.log"
        process = Process([sys.executable, *command], env=self.env | env, log=log)
        self.processes.append(process)
        return process

    def web(self, **env: str) -> str:
        """Another daphne; returns its address."""
        port = free_port()
        # The site's own URL follows from it.
        env = {"PORT": str(port), **env}
        process = self.start("-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "salesagg.asgi:application", **env)
        process.wait_for_port(port)
        return f"http://localhost:{port}"

    def worker(self, *options: str, **env: str) -> Process:
        """Another Celery worker, ready."""
        return self.workers(1, *options, **env)[0]

    def workers(self, count: int, *options: str, **env: str) -> list[Process]:
        """So many more, which start together."""
        command = (
            "-m",
            "celery",
            "-A",
            "salesagg",
            "worker",
            "--loglevel=INFO",
            "--without-mingle",
            "--without-gossip",
        )
        started = [self.start(*command, f"--hostname={uuid.uuid4().hex}@%h", *options, **env) for _ in range(count)]
        for process in started:
            process.wait_for_output(" ready.")
        return started

    def grpc(self, **env: str) -> str:
        """Another gRPC server, in a process of its own; returns its address."""
        port = free_port()
        process = self.start("manage.py", "grpcserver", **env, GRPC_PORT=str(port))
        process.wait_for_output(f"gRPC is at 127.0.0.1:{port}")
        return f"127.0.0.1:{port}"

    def serve(self, **env: str) -> str:
        """Everything in one process, gRPC too if it has a port; returns its address."""
        port = free_port()
        process = self.start("manage.py", "serve", **env, PORT=str(port))
        process.wait_for_output("Salesagg is at")
        process.wait_for_port(port)
        if rpc_port := {**self.env, **env}.get("GRPC_PORT"):
            process.wait_for_port(int(rpc_port))
        return f"http://localhost:{port}"

    def query(self, sql: str) -> Any:
        """The first value of the first row."""
        with psycopg.connect(self.env["DATABASE_URL"]) as connection:
            row = connection.execute(sql.encode()).fetchone()
            return row[0] if row else None

    def end(self) -> None:
        for process in reversed(self.processes):
            process.end()


class _Database:
    """The database of a site: where it is, and how it is copied."""

    def __init__(self, server: str, name: str) -> None:
        self.server = server
        self._name = name

    @staticmethod
    def of(site: Site) -> "_Database":
        url = site.env.get("DATABASE_URL")
        if not url:
            return _File("", str(Path(site.env["DATA_DIR"]) / "db.sqlite3"))
        found = re.search(r"/(site_\w+)", url)
        assert found
        return _Database(url.replace(found[0], "/postgres"), found[1])

    def keep(self) -> str:
        """A copy of it, which stays for the session; returns what `copy` takes."""
        kept = f"kept_{uuid.uuid4().hex}"
        self._do(f'CREATE DATABASE "{kept}" TEMPLATE "{self._name}"')
        return kept

    def copy(self, kept: str) -> None:
        """Make it what was kept."""
        self._do(f'DROP DATABASE "{self._name}"')
        self._do(f'CREATE DATABASE "{self._name}" TEMPLATE "{kept}"')

    def _do(self, sql: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(sql.encode())


class _File(_Database):
    """One of SQLite."""

    def keep(self) -> str:
        kept = str(Path(os.environ["STATIC_ROOT"]).with_name("kept.sqlite3"))
        _copy_file(self._name, kept)
        return kept

    def copy(self, kept: str) -> None:
        Path(self._name).parent.mkdir(parents=True, exist_ok=True)
        _copy_file(kept, self._name)


def _copy_file(source: str, target: str) -> None:
    with contextlib.closing(sqlite3.connect(source)) as one, contextlib.closing(sqlite3.connect(target)) as other:
        one.backup(other)


def services_site(
    folder: Path, postgres: Postgres, redis: Redis, s3: S3 | None = None, env: Mapping[str, str] | None = None
) -> Site:
    """A site on a database of its own in `postgres`, on `redis`, its files in `s3` or in a shared folder."""
    name = f"site_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    database = postgres.url.replace("/postgres?", f"/{name}?") if "?" in postgres.url else f"{postgres.url[:-8]}{name}"
    return Site(
        folder, DATABASE_URL=database, REDIS_URL=redis.url, STORAGE_URL=s3.url if s3 is not None else "", **(env or {})
    )


def log_in(address: str, email: str = EMAIL, password: str = PASSWORD) -> requests.Session:
    """A browser's session, logged in as the site's user, or somebody else."""
    session = requests.Session()
    done = submit(session, f"{address}/accounts/login/", login=email, password=password)
    assert "sessionid" in session.cookies, f"{done.status_code} {done.url}: {done.text}"
    return session


def sign_up(address: str, email: str, **headers: str) -> requests.Session:
    """The browser's session of a new person. Each has an address of their own: sign-ups of one are limited."""
    session = requests.Session()
    session.headers.update(headers)
    session.mount("http://", _From(f"127.{'.'.join(str(byte) for byte in sha256(email.encode()).digest()[:3])}"))
    submit(session, f"{address}/accounts/signup/", email=email, password1=PASSWORD, password2=PASSWORD)
    assert "sessionid" in session.cookies
    return session


def change_password(session: requests.Session, address: str, old: str, new: str) -> None:
    """Change the password of whoever is logged in, on the page for it."""
    submit(session, f"{address}/accounts/password/change/", oldpassword=old, password1=new, password2=new)


def submit(session: requests.Session, url: str, **fields: str) -> requests.Response:
    """Send a page's form."""
    page = session.get(url, timeout=20)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token, page.text
    form = fields | {"csrfmiddlewaretoken": token[1]}
    done = session.post(page.url, form, headers={"Referer": page.url}, timeout=20)
    assert done.ok, f"{done.status_code} {done.url}: {done.text}"
    return done


class _From(HTTPAdapter):
    """Connects from one of this machine's own addresses."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, source_address=(self._address, 0))
