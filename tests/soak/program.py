"""A program that uses the product and does not give up: what gets no answer is asked again, of any web process."""

import random
import threading
import time
from collections import Counter
from typing import Any

import grpc
import psycopg
import requests

from tests.services.rpc import Rpc, pieces
from tests.soak.files import File
from tests.soak.world import World

ANSWER_SECONDS = 15
PATIENCE_SECONDS = 180.0
END_GRACE_SECONDS = 180.0


class Fault(Exception):
    """The product did what it must not do."""


class Program:
    def __init__(self, world: World, numbers: random.Random, errors: Counter[str]) -> None:
        self._world = world
        self._numbers = numbers
        self._errors = errors
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {world.token}"

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """Until it is answered by anything but an error of the server's. For what may be done twice."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self._try(method, path, **options)
            if answer is not None and answer.status_code < 500:
                return answer
            if time.monotonic() > deadline:
                raise Fault(f"{method} {path} is not answered: {answer}")
            self._rest()

    def _try(self, method: str, path: str, **options: Any) -> requests.Response | None:
        address = self._numbers.choice(self._world.addresses())
        try:
            answer = self._session.request(method, f"{address}{path}", timeout=ANSWER_SECONDS, **options)
        except requests.RequestException as error:
            self._errors[type(error).__name__] += 1
            return None
        if answer.status_code >= 500:
            self._errors[str(answer.status_code)] += 1
        return answer

    def _rest(self) -> None:
        threading.Event().wait(self._numbers.uniform(0.1, 1))

    def query(self, sql: str) -> Any:
        """The first value, as soon as the database is there."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._world.site.query(sql)
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                self._rest()

    def send_by_tus(self, file: File, name: str, *, until: float = 1.0) -> str:
        """Upload it, or the beginning of it, in chunks; returns its job."""
        from uploads.metadata import write

        described = write({"filename": name, **file.metadata})
        size = file.path.stat().st_size
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(size), "Upload-Metadata": described}
        created = self.ask("POST", "/uploads/", headers=headers)
        if created.status_code != 201:
            raise Fault(f"creating an upload: {created.status_code} {created.text}")
        path = "/uploads/" + created.headers["Location"].rstrip("/").rpartition("/")[2] + "/"
        offset = 0
        with file.path.open("rb") as source:
            while offset < size * until:
                source.seek(offset)
                chunk = source.read(self._numbers.randrange(64 << 10, 8 << 20))
                headers = {
                    "Tus-Resumable": "1.0.0",
                    "Upload-Offset": str(offset),
                    "Content-Type": "application/offset+octet-stream",
                }
                answer = self._try("PATCH", path, data=chunk, headers=headers)
                if answer is not None and answer.status_code == 204:
                    offset = int(answer.headers["Upload-Offset"])
                    continue
                if answer is not None and answer.status_code < 500 and answer.status_code not in (409, 423):
                    raise Fault(f"a chunk: {answer.status_code} {answer.text}")
                self._rest()
                told = self.ask("HEAD", path, headers={"Tus-Resumable": "1.0.0"})
                if told.status_code != 200 or int(told.headers["Upload-Offset"]) < offset:
                    raise Fault(f"offset {offset} of {path} was acknowledged; now {told.status_code} {told.headers}")
                offset = int(told.headers["Upload-Offset"])
        upload = path.split("/")[2]
        return str(self.query(f"SELECT id FROM reports_job WHERE upload_id = '{upload}'"))  # noqa: S608

    def send_whole(self, file: File, name: str) -> str:
        """Upload it in one request, which is repeated under its key until it is answered.

        A process that was killed keeps its key for a while; then it is asked under another one.
        """
        while True:
            key, deadline = f"{name}-{self._numbers.random()}", time.monotonic() + 2 * ANSWER_SECONDS
            while time.monotonic() < deadline:
                with file.path.open("rb") as body:
                    answer = self._try(
                        "POST",
                        "/api/jobs/upload",
                        files={"file": (name, body, "text/csv")},
                        data=file.metadata,
                        headers={"Idempotency-Key": key},
                    )
                if answer is not None and answer.status_code == 201:
                    return str(answer.json()["jobId"])
                if answer is not None and answer.status_code < 500 and answer.status_code != 409:
                    raise Fault(f"an upload in one request: {answer.status_code} {answer.text}")
                self._rest()

    def send_by_grpc(self, file: File) -> str:
        """Upload it in one call, which is repeated as a whole; what was left behind has no name."""
        while True:
            rpc = Rpc(self._numbers.choice(self._world.addresses("grpc")), self._world.token)
            try:
                return str(rpc.upload(pieces(file.path, 256 << 10), timeout=120).result().result_id)
            except grpc.RpcError as error:
                self._errors[f"grpc {error.code().name}"] += 1
                if error.code().name not in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "INTERNAL"):
                    raise Fault(f"gRPC: {error}") from error
                self._rest()
            finally:
                rpc.close()

    def upload_of(self, job: str) -> str:
        return str(self.query(f"SELECT upload_id FROM reports_job WHERE id = '{job}'"))  # noqa: S608

    def take_back(self, upload: str) -> None:
        """End an upload, and remove what has come of it."""
        answer = self.ask("DELETE", f"/uploads/{upload}/", headers={"Tus-Resumable": "1.0.0"})
        # 410: done by the time before, whose answer was lost.
        if answer.status_code not in (204, 410):
            raise Fault(f"taking back {upload}: {answer.status_code} {answer.text}")

    def wait_for_end(self, job: str, *, seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            answer = self.ask("GET", f"/api/jobs/{job}")
            told: dict[str, Any] = answer.json()
            if answer.status_code != 200:
                raise Fault(f"job {job} is lost: {answer.status_code} {answer.text}")
            if told["status"] in ("completed", "failed", "cancelled"):
                return told
            if time.monotonic() > deadline:
                raise Fault(f"job {job} is stuck: {told}")
            self._rest()
