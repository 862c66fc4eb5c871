"""OPTIONS: what the server announces."""

import pytest

from tests.uploads.conftest import Tus

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_announces_version_extensions_checksums_and_limits_to_anybody(nobody: Tus) -> None:
    response = nobody.request("OPTIONS", "/uploads/", Tus_Resumable=None)
    assert response.status_code == 204
    assert response["Tus-Version"] == "1.0.0"
    assert response["Tus-Extension"].split(",") == [
        "creation",
        "creation-with-upload",
        "creation-defer-length",
        "termination",
        "checksum",
        "expiration",
    ]
    assert response["Tus-Checksum-Algorithm"] == "sha1,sha256,md5"
    assert response["Tus-Max-Size"] == str(10**12)
    assert response["Upload-Limit"] == f"max-size={10**12}, max-append-size={32 << 20}"
