"""The site that a command talks to."""

import json
import re
from collections.abc import Callable, Iterator
from typing import IO, Any, TypeVar

import requests

from salesagg.client.errors import Refused, Unreachable, refused
from salesagg.client.patience import Patience

Json = dict[str, Any]
T = TypeVar("T")
# To connect, and for the next byte to come.
TIMEOUT = (10.0, 60.0)
# A stream gives a sign every 15 seconds.
STREAM_TIMEOUT = (10.0, 45.0)
_PIECE = 256 * 1024


class Server:
    """What is asked of the site's API, with `token`. What merely asks is tried again; what changes something is not."""

    def __init__(self, url: str, token: str, *, patience: Patience) -> None:
        self.url = url.rstrip("/")
        self.patience = patience
        self.headers = {"Authorization": f"Bearer {token}", "User-Agent": "salesagg-client"}
        self._session = requests.Session()
        self._session.headers.update(self.headers)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    def limits(self) -> Json:
        """The site's limits. Asked first: it shows whether the site is there, and where, and takes the token."""
        return self.patience.call(lambda: self._json(self._request("GET", "/api/limits", moves=True)))

    def get(self, path: str, **parameters: Any) -> Json:
        return self.patience.call(lambda: self._json(self._request("GET", f"/api/{path}", params=parameters)))

    def post(self, path: str) -> Json:
        return self._json(self._request("POST", f"/api/{path}"))

    def delete(self, url: str) -> None:
        """Remove an upload."""
        self._request("DELETE", url.removeprefix(self.url), headers={"Tus-Resumable": "1.0.0"})

    def job(self, job_id: str) -> Json:
        return self.get(f"jobs/{job_id}")

    def download(self, path: str, out: IO[bytes]) -> None:
        """Write what is at `path` of the API to `out`, from its beginning."""

        def load() -> None:
            out.seek(0)
            out.truncate()
            with self._request("GET", f"/api/{path}", stream=True) as answer:
                for piece in _reading(lambda: answer.iter_content(_PIECE)):
                    out.write(piece)

        self.patience.call(load)

    def events(self, job_id: str) -> Iterator[tuple[str, Json]]:
        """What the site tells of a job, event by event, until it ends the stream. Raises what breaks it."""
        headers = {"Accept": "text/event-stream"}
        path = f"/api/jobs/{job_id}/stream"
        with self._request("GET", path, stream=True, headers=headers, timeout=STREAM_TIMEOUT) as answer:
            name = ""
            # Byte by byte: reading waits until so many have come.
            for line in _reading(lambda: answer.iter_lines(chunk_size=1)):
                field, _, value = line.decode().partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    yield name, json.loads(value)

    def _request(self, method: str, path: str, *, moves: bool = False, **options: Any) -> requests.Response:
        try:
            answer = self._session.request(method, self.url + path, **{"timeout": TIMEOUT, **options})
        except requests.RequestException as error:
            raise self.unreachable(error) from None
        if moves and answer.history:
            # Sent on, say from http to https. Chunks are sent where that was, or each would be sent twice.
            self.url = answer.url.removesuffix(path)
        if not answer.ok:
            with answer:
                raise refused(answer.status_code, answer.content)
        return answer

    def _json(self, answer: requests.Response) -> Json:
        try:
            told = answer.json()
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise Refused(f"There is no Salesagg at {self.url}. Check the address.", status=answer.status_code)
        return told

    def unreachable(self, error: object) -> Unreachable:
        return Unreachable(f"No connection to {self.url} ({_reason(error)}).")


def _reading(pieces: Callable[[], Iterator[T]]) -> Iterator[T]:
    try:
        yield from pieces()
    except requests.RequestException as error:
        raise Unreachable(f"The connection broke ({_reason(error)}).") from None


def _reason(error: object) -> str:
    """The last and plainest of the words that a library has for it."""
    words = re.findall(r"\[Errno [-\d]+\] ([\w ,]+)|(timed out|prematurely|certificate verify failed)", str(error))
    return next((text for pair in reversed(words) for text in pair if text), type(error).__name__)
