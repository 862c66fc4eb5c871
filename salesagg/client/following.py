"""Following a job to its end."""

import time
from collections.abc import Callable

from salesagg.client.errors import ClientError, Refused, may_pass
from salesagg.client.server import Json, Server

FINAL = ("completed", "failed", "cancelled")
POLL_SECONDS = 1.0


def follow(server: Server, job_id: str, tell: Callable[[Json], None]) -> Json:
    """The job when it has ended; `tell` is told how far it is.

    By server-sent events; where they break, or do not get through, by asking.
    """
    while True:
        try:
            for name, told in server.events(job_id):
                if name == "deleted":
                    raise Refused("The job was deleted meanwhile.", status=404, code="not_found")
                tell(told)
                if name in FINAL:
                    return told
        except ClientError as error:
            if not may_pass(error):
                raise
        job = server.job(job_id)
        tell(job)
        if job["status"] in FINAL:
            return job
        time.sleep(POLL_SECONDS)


class Glance:
    """Looks after a job now and then while something else is done."""

    def __init__(self, server: Server, job_id: str, tell: Callable[[Json], None]) -> None:
        self._server = server
        self._job_id = job_id
        self._tell = tell
        self._next = time.monotonic() + POLL_SECONDS

    def has_ended(self) -> bool:
        """Whether it is known that the job has ended; asked at most once a second."""
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + POLL_SECONDS
        job = self._server.job(self._job_id)
        self._tell(job)
        return job["status"] in FINAL
