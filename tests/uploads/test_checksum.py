"""Upload-Checksum: a chunk damaged on its way is not kept."""

import base64
import hashlib
from pathlib import Path

import pytest

from tests.uploads.conftest import Tus

pytestmark = pytest.mark.django_db(transaction=True)


def checksum(algorithm: str, data: bytes) -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
def test_a_chunk_that_matches_is_kept(tus: Tus, algorithm: str) -> None:
    path = tus.created(5)
    assert tus.patch(path, b"12345", 0, Upload_Checksum=checksum(algorithm, b"12345")).status_code == 204


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
def test_a_chunk_that_does_not_match_is_thrown_away(tus: Tus, files: Path, algorithm: str) -> None:
    path = tus.created(5)
    response = tus.patch(path, b"12345", 0, Upload_Checksum=checksum(algorithm, b"12346"))
    assert (response.status_code, response.json()["code"]) == (460, "checksum_mismatch")
    assert tus.head(path)["Upload-Offset"] == "0"
    assert [found for found in files.rglob("*") if found.is_file()] == []
    assert tus.patch(path, b"12345", 0).status_code == 204


@pytest.mark.parametrize("header", ["", "crc32 AAAA", "sha1", "sha1 !!!", "sha1 AAAA", "sha1 " + "0" * 40])
def test_an_unknown_algorithm_or_a_malformed_digest_is_refused(tus: Tus, header: str) -> None:
    response = tus.patch(tus.created(5), b"12345", 0, Upload_Checksum=header)
    assert (response.status_code, response.json()["code"]) == (400, "bad_checksum")
