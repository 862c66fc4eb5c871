"""DELETE: ending an upload and removing its bytes."""

from pathlib import Path

import pytest

from tests.uploads.conftest import Tus
from uploads.models import Part, Upload

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("length", [5, 10])
def test_it_ends_an_upload_unfinished_or_whole_and_removes_its_bytes(tus: Tus, files: Path, length: int) -> None:
    path = tus.created(length)
    tus.patch(path, b"12345", 0)
    assert tus.delete(path).status_code == 204
    assert Upload.objects.get().state == "cancelled"
    assert not Part.objects.exists()
    assert not list((files / "uploads").iterdir())


def test_a_second_time_it_is_gone(tus: Tus) -> None:
    path = tus.created(5)
    tus.delete(path)
    response = tus.delete(path)
    assert (response.status_code, response.json()["code"]) == (410, "gone")


def test_somebody_elses_upload_looks_like_none(tus: Tus, strangers_tus: Tus) -> None:
    path = tus.created(5)
    assert strangers_tus.delete(path).status_code == 404
    assert Upload.objects.get().state == "receiving"


def test_nobody_is_refused(tus: Tus, nobody: Tus) -> None:
    assert nobody.delete(tus.created(5)).status_code == 401
