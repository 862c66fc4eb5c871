"""A person's own data as one ZIP file."""

import io
import json
import logging
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import IO, Any

from allauth.account.models import EmailAddress
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from accounts import audit, holdings, second_factor, sessions
from accounts.holdings import Entry
from accounts.models import User

logger = logging.getLogger(__name__)
CHUNK_BYTES = 1024 * 1024


def archive(user: User) -> IO[bytes]:
    """The ZIP in a temporary file without a name, which is gone when it is closed."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  (who reads it closes it)
    try:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for entry in (*_of_account(user), *holdings.entries(user)):
                _add(packed, entry)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def json_entry(path: str, data: Any) -> Entry:
    """`data` as a JSON file that people can read too."""
    text = json.dumps(data, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)
    return Entry(path, lambda: io.BytesIO(text.encode()))


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
    yield json_entry("activity.json", audit.told(user))


def _add(packed: zipfile.ZipFile, entry: Entry) -> None:
    try:
        source = entry.open()
    except FileNotFoundError:
        logger.info("%s is left out of an export: it has been deleted meanwhile", entry.path)
        return
    info = zipfile.ZipInfo(entry.path, date_time=timezone.now().timetuple()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    with closing(source), packed.open(info, "w", force_zip64=True) as target:
        shutil.copyfileobj(source, target, CHUNK_BYTES)
