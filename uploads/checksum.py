"""The tus checksum extension: ``Upload-Checksum: algorithm base64``."""

import base64
import binascii
import hashlib
from typing import Protocol

from accounts.errors import Refusal

ALGORITHMS = ("sha1", "sha256", "md5")


class Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...


class Expected:
    """A checksum that a client announced, and the hash that will be held against it."""

    def __init__(self, algorithm: str, digest: bytes) -> None:
        self.digest = digest
        # These guard against damage on the way, not against an attacker; sha1 and md5 are what clients send.
        self.hash: Hash = hashlib.new(algorithm, usedforsecurity=False)

    def verify(self) -> None:
        """Raise `Refusal` (460, as the protocol says) unless the bytes hashed so far are the ones announced."""
        if self.hash.digest() != self.digest:
            raise Refusal("checksum_mismatch", "The chunk was damaged on its way. Send it again.", status=460)


def parse(header: str) -> Expected:
    """Read the header's value; raises `Refusal` (400) for an unknown algorithm or a malformed digest."""
    algorithm, _, encoded = header.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise Refusal("bad_checksum", f"Upload-Checksum must use one of {', '.join(ALGORITHMS)}.", status=400)
    try:
        digest = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        digest = b""
    expected = Expected(algorithm, digest)
    if len(digest) != len(expected.hash.digest()):
        raise Refusal("bad_checksum", f"Upload-Checksum is not a base64 {algorithm} digest.", status=400)
    return expected
