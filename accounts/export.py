"""A person's own data as one ZIP file."""

import io
import json
import logging
import uuid
import zipfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from itertools import chain
from typing import IO, Any, TypeVar, cast

from allauth.account.models import EmailAddress
from django.core.cache import cache
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit, holdings, second_factor, sessions, streaming
from accounts.acts import Act
from accounts.errors import Refusal
from accounts.holdings import Entry
from accounts.models import User

logger = logging.getLogger(__name__)
M = TypeVar("M", bound=Model)
CHUNK_BYTES = 256 * 1024
BATCH = 500
# A download that sends nothing for so long does not keep the person from another: longer than the server waits for a
# client that takes nothing.
LEASE_SECONDS = 120
# When a person who was refused may try again.
RETRY_SECONDS = 10


def download(user: User) -> StreamingHttpResponse:
    """The ZIP as a download that is sent as it is made. A person has one at a time. Raises `Refusal` (429)."""
    key, ours = f"data-export:{user.pk}", uuid.uuid4().hex
    if not cache.add(key, ours, timeout=LEASE_SECONDS):
        message = _("Your data is being downloaded already. Wait until that download has ended.")
        raise Refusal("export_in_progress", message, status=429, headers={"Retry-After": str(RETRY_SECONDS)})
    audit.record(Act.DATA_EXPORTED)
    pieces = _renewing(key, archive(user))

    def end() -> None:
        pieces.close()
        if cache.get(key) == ours:
            cache.delete(key)

    filename = f"salesagg-{timezone.now():%Y-%m-%d}.zip"
    return streaming.stream(pieces, end, filename=filename, content_type="application/zip")


def archive(user: User) -> Generator[bytes, None, None]:
    """The ZIP, piece by piece as it is made: neither memory nor disk ever has all of it."""
    out = _Out()
    with zipfile.ZipFile(cast(IO[bytes], out), "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in chain(_of_account(user), holdings.entries(user)):
            # Closed before the ZIP is, which cannot be while something is being packed.
            with closing(_add(packed, entry)) as steps:
                for _step in steps:
                    if len(out.data) >= CHUNK_BYTES:
                        yield out.take()
    yield out.take()


def json_entry(path: str, data: Any) -> Entry:
    """`data` as a JSON file that people can read too."""
    text = json.dumps(data, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)
    return Entry(path, lambda: io.BytesIO(text.encode()))


def json_list_entry(path: str, items: Callable[[], Iterable[Any]]) -> Entry:
    """The same of a list of any length: an item is read when it is packed."""
    return made_entry(path, lambda: _json_list(items()))


def in_batches(rows: QuerySet[M]) -> Iterator[M]:
    """`rows`, of which a few are in memory at a time. Each batch is a query of its own, so that no connection to the
    database lasts as long as a slow client."""
    keys = list(rows.values_list("pk", flat=True))
    for start in range(0, len(keys), BATCH):
        batch = keys[start : start + BATCH]
        found = rows.in_bulk(batch)
        yield from (found[key] for key in batch if key in found)


def made_entry(path: str, make: Callable[[], Iterator[bytes]]) -> Entry:
    """A file that is made piece by piece as it is packed."""
    return Entry(path, lambda: _Pieces(make()))


class _Pieces:
    """Read as a file is; a piece is as large as whoever made it thought fit."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, size: int = -1) -> bytes:
        return next(self._pieces, b"")

    def close(self) -> None:
        """Nothing is open."""


def _of_account(user: User) -> Iterator[Entry]:
    fields = ("email", "first_name", "last_name", "language", "email_when_done", "date_joined", "last_login")
    addresses = EmailAddress.objects.filter(user=user.pk).values("email", "verified", "primary")
    yield json_entry(
        "account.json", {name: getattr(user, name) for name in fields} | {"email_addresses": list(addresses)}
    )
    # Never the digest: it is of no use to anybody but a thief.
    told = ("name", "hint", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")
    yield json_entry("tokens.json", list(user.api_tokens.order_by("created_at").values(*told)))
    yield json_entry("second_factors.json", second_factor.exported(user))
    yield json_entry(
        "sessions.json",
        [
            {name: getattr(session, name) for name in ("user_agent", "ip", "created_at", "last_seen_at")}
            for session in sessions.of(user)
        ],
    )
    yield json_list_entry("activity.json", lambda: audit.told(user))


def _add(packed: zipfile.ZipFile, entry: Entry) -> Generator[None, None, None]:
    """Pack the entry, in steps."""
    try:
        source = entry.open()
    except FileNotFoundError:
        logger.info("%s is left out of an export: it has been deleted meanwhile", entry.path)
        return
    info = zipfile.ZipInfo(entry.path, date_time=timezone.now().timetuple()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    with closing(source), packed.open(info, "w", force_zip64=True) as target:
        while data := source.read(CHUNK_BYTES):
            target.write(data)
            yield


def _renewing(key: str, pieces: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    """`pieces`, and with each of them more time."""
    with closing(pieces):
        for piece in pieces:
            cache.touch(key, LEASE_SECONDS)
            yield piece


def _json_list(items: Iterable[Any]) -> Iterator[bytes]:
    between = "[\n"
    for item in items:
        text = json.dumps(item, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)
        yield (between + text).encode()
        between = ",\n"
    yield b"[]" if between == "[\n" else b"\n]"


class _Out:
    """What is written and has not been sent yet. It cannot seek, so that `zipfile` never does."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def take(self) -> bytes:
        taken, self.data = bytes(self.data), bytearray()
        return taken
