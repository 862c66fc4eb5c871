"""HEAD: where an upload stands."""

import uuid

import pytest

from tests.conftest import b64
from tests.uploads.conftest import Tus

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_tells_offset_length_and_metadata_and_is_never_cached(tus: Tus) -> None:
    metadata = f"filename {b64('a.csv')},flag"
    path = tus.created(10, Upload_Metadata=metadata)
    tus.patch(path, b"123")
    response = tus.head(path)
    assert response.status_code == 200
    assert (response["Upload-Offset"], response["Upload-Length"]) == ("3", "10")
    assert response["Upload-Metadata"] == metadata
    assert response["Cache-Control"] == "no-store"
    assert response["Tus-Resumable"] == "1.0.0"


def test_a_deferred_length_is_said_to_be_deferred(tus: Tus) -> None:
    response = tus.head(tus.created(None, Upload_Defer_Length="1"))
    assert response["Upload-Defer-Length"] == "1"
    assert "Upload-Length" not in response


def test_somebody_elses_upload_looks_like_none(tus: Tus, strangers_tus: Tus) -> None:
    path = tus.created(10)
    assert strangers_tus.head(path).status_code == 404


def test_an_upload_that_never_was_is_not_found(tus: Tus) -> None:
    assert tus.head(f"/uploads/{uuid.uuid4()}/").status_code == 404


@pytest.mark.parametrize("path", ["/uploads/..%2F..%2Fetc/", "/uploads/not-an-id/", "/uploads/%00/"])
def test_ids_that_are_none_reach_nothing(tus: Tus, path: str) -> None:
    assert tus.head(path).status_code == 404


def test_nobody_is_refused(tus: Tus, nobody: Tus) -> None:
    assert nobody.head(tus.created(10)).status_code == 401


def test_an_upload_that_was_cancelled_is_gone(tus: Tus) -> None:
    path = tus.created(10)
    tus.delete(path)
    assert tus.head(path).status_code == 410


def test_another_version_of_the_protocol_is_refused(tus: Tus) -> None:
    assert tus.head(tus.created(10), Tus_Resumable="2.0.0").status_code == 412
