"""Objects in S3, asked for directly: django-storages opens an object by fetching all of it."""

import logging
from contextlib import closing
from typing import Any

from botocore.exceptions import ClientError
from storages.utils import safe_join

from uploads.ranges import Found, NotThere

logger = logging.getLogger(__name__)


def look(storage: Any, name: str) -> Found:
    """See `uploads.ranges.look`."""
    try:
        head = _client(storage).head_object(**_address(storage, name))
    except ClientError as error:
        # S3 says 403 of a missing object to who may not list the bucket, and 400 of a name that no object can have.
        if _status(error) in (400, 403, 404):
            logger.info("no object %r in the storage: %s", name, error)
            raise NotThere from None
        raise
    return Found(int(head["ContentLength"]), str(head["ETag"]))


def read(storage: Any, name: str, start: int, size: int, *, edition: str) -> bytes:
    """See `uploads.ranges.read`."""
    wanted = {"Range": f"bytes={start}-{start + size - 1}", **({"IfMatch": edition} if edition else {})}
    try:
        answer = _client(storage).get_object(**_address(storage, name), **wanted)
    except ClientError as error:
        # Missing; not the edition; ending before the range.
        if _status(error) in (404, 412, 416):
            raise NotThere from None
        raise
    with closing(answer["Body"]) as body:
        # Not every store that speaks S3 knows conditions.
        if edition and answer["ETag"] != edition:
            raise NotThere
        data: bytes = body.read()
    return data


def _client(storage: Any) -> Any:
    return storage.connection.meta.client


def _address(storage: Any, name: str) -> dict[str, str]:
    return {"Bucket": storage.bucket_name, "Key": safe_join(storage.location, name)}


def _status(error: ClientError) -> int:
    status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status
