"""The `Upload-Metadata` header of tus 1.0: ``key base64,key base64``, strictly read."""

import base64
import binascii
import re
from collections.abc import Mapping

from accounts.errors import Refusal

MAX_LENGTH = 4096
# ASCII without space and comma, as the protocol says; no other control over what a client calls its keys.
_KEY = re.compile(r"[!-+\--~]+")


def parse(header: str) -> dict[str, str]:
    """The pairs in `header`; a key without a value is legal and maps to ``""``.

    An empty header is accepted: tuspy sends one. Values that are not UTF-8 are kept with replacement characters,
    since they are only ever shown. Raises `Refusal` (400) for anything that is not in the protocol's form.
    """
    if len(header) > MAX_LENGTH:
        raise _bad(f"Upload-Metadata is longer than {MAX_LENGTH} characters.")
    pairs: dict[str, str] = {}
    for item in header.split(",") if header.strip() else []:
        key, _, encoded = item.strip().partition(" ")
        if not _KEY.fullmatch(key):
            raise _bad("Upload-Metadata has a key that is empty or not plain ASCII.")
        if key in pairs:
            raise _bad(f"Upload-Metadata names the key {key} twice.")
        try:
            pairs[key] = base64.b64decode(encoded.strip(), validate=True).decode("utf-8", errors="replace")
        except binascii.Error:
            raise _bad(f"Upload-Metadata's value of {key} is not base64.") from None
    return pairs


def write(pairs: Mapping[str, str]) -> str:
    """The header that says `pairs`."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


def filename_in(pairs: Mapping[str, str]) -> str:
    """The file's name as clients give it (`filename` or `name`), without a path and without control characters."""
    name = pairs.get("filename") or pairs.get("name") or ""
    name = re.split(r"[/\\]", name)[-1]
    name = "".join(character for character in name if character.isprintable()).strip()
    return name[:255] or "unnamed.csv"


def wants_keeping(pairs: dict[str, str]) -> bool:
    """Whether the file shall be stored for its own sake: the pair `keep`. Raises `Refusal` (400)."""
    asked = pairs.get("keep", "false")
    if asked not in ("true", "false"):
        raise _bad("Upload-Metadata's value of keep is either “true” or “false”.")
    return asked == "true"


def _bad(message: str) -> Refusal:
    return Refusal("bad_metadata", message, status=400)
