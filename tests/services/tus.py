"""An upload by tuspy, a client that is not ours."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tusclient.client import TusClient


@contextlib.contextmanager
def uploading(
    address: str, token: str, path: Path, *, chunk: int = 8 << 20, retries: int = 0, **metadata: str
) -> Iterator[Any]:
    """tuspy's uploader of `path`, described by `metadata`, to the site at `address`; its `upload(stop_at=bytes)`
    sends."""
    client = TusClient(f"{address}/uploads/", headers={"Authorization": f"Bearer {token}"})
    with path.open("rb") as stream:
        yield client.uploader(
            file_stream=stream,
            chunk_size=chunk,
            metadata={"filename": path.name, **metadata},
            retries=retries,
            retry_delay=0,
        )


def upload(address: str, token: str, path: Path, **options: Any) -> None:
    with uploading(address, token, path, **options) as uploader:
        uploader.upload()
