"""A tus client over Django's test client, and an S3 server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from salesagg import backends
from tests.services import S3
from tests.services.unwell import Unwell

CHUNK = "application/offset+octet-stream"


class Tus:
    """Requests as a tus client sends them; `headers` override or, as None, leave out the usual ones."""

    def __init__(self, client: Client, token: str = "") -> None:
        self.client = client
        self.usual: dict[str, str | None] = {"Tus-Resumable": "1.0.0"}
        if token:
            self.usual["Authorization"] = f"Bearer {token}"

    def request(self, method: str, path: str, data: bytes = b"", type: str = "", **headers: Any) -> Any:  # noqa: A002
        sent = self.usual | {name.replace("_", "-"): value for name, value in headers.items()}
        present = {name: value for name, value in sent.items() if value is not None}
        content_type = type or (CHUNK if data or method == "PATCH" else "")
        if content_type and not data:
            # Django's client leaves the type out where there is no body; tus clients do not.
            present["Content-Type"] = content_type
        return self.client.generic(method, path, data, content_type=content_type, headers=present)

    def create(self, length: int | None = 10, data: bytes = b"", **headers: Any) -> Any:
        if length is not None:
            headers.setdefault("Upload_Length", str(length))
        return self.request("POST", "/uploads/", data, **headers)

    def created(self, length: int | None = 10, **headers: Any) -> str:
        """The path of a new upload."""
        response = self.create(length, **headers)
        assert response.status_code == 201, response.content
        location: str = response["Location"]
        return location

    def patch(self, path: str, data: bytes, offset: int | str = 0, **headers: Any) -> Any:
        return self.request("PATCH", path, data, **{"Upload_Offset": str(offset), **headers})

    def head(self, path: str, **headers: Any) -> Any:
        return self.request("HEAD", path, **headers)

    def delete(self, path: str, **headers: Any) -> Any:
        return self.request("DELETE", path, **headers)


@pytest.fixture
def tus(token: str) -> Tus:
    """The client of `user`, by API token."""
    return Tus(Client(), token)


@pytest.fixture
def strangers_tus(stranger: Any) -> Tus:
    from accounts import tokens

    return Tus(Client(), tokens.issue(stranger, name="tests"))


@pytest.fixture
def nobody() -> Tus:
    return Tus(Client())


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    server = S3(tmp_path_factory.mktemp("s3"))
    yield server
    server.end()


@pytest.fixture
def in_s3(s3: S3, settings: Any) -> Iterator[S3]:
    """The storage is a bucket, empty at first."""
    settings.STORAGES = settings.STORAGES | {"default": backends.file_storage(s3.url, Path())}
    yield s3
    for name in s3.object_names():
        s3.client.delete_object(Bucket="salesagg", Key=name)
    for begun in s3.client.list_multipart_uploads(Bucket="salesagg").get("Uploads", []):
        s3.client.abort_multipart_upload(Bucket="salesagg", Key=begun["Key"], UploadId=begun["UploadId"])


@pytest.fixture
def unwell(in_s3: S3, settings: Any) -> Iterator[Unwell]:
    """The storage is the same bucket, by way of a server that can be told to fail."""
    between = Unwell(in_s3.port)
    settings.STORAGES = settings.STORAGES | {"default": backends.file_storage(between.url(in_s3.url), Path())}
    yield between
    between.end()
