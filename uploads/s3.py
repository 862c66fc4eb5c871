"""Files in S3, or in what speaks its protocol.

django-storages knows the protocol; what it does with bytes is not for files as large as ours. It opens an object by
fetching all of it, and stores one by way of threads that it starts for each. Here bytes flow: an object is read as it
is asked for, and written in pieces of which one is held in memory at a time, never on disk.

Whatever goes wrong on the way is a `StorageAway`. Failure story: the connection breaks in the middle of a piece. The
piece is still held, so botocore sends it again, whole; an object is there whole or not at all. When that fails too,
what had been sent of a large object is thrown away, and whoever sent us the bytes is told to send them again.
"""

import io
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnection
from django.core.files.base import File
from django.utils.http import content_disposition_header
from storages.backends.s3 import S3Storage
from storages.utils import clean_name
from urllib3.exceptions import HTTPError

from accounts.outage import Outage
from uploads.ranges import Found, NotThere
from uploads.storage import StorageAway

logger = logging.getLogger(__name__)

# Objects up to this are stored by one request: such is a browser's chunk of an upload. S3 wants no less than 5 MiB for
# all pieces of a larger one but the last, and no more than 10,000 pieces.
PIECE_BYTES = 16 * 1024 * 1024
# Pieces that a process holds at a time: what storing may cost in memory, however many people send something.
PIECES_AT_ONCE = 8
# A request that finds all of them taken waits so long.
PATIENCE_SECONDS = 10.0
# After S3 did not answer, nobody tries to store anything for so long: each would hold up a web process's turn for as
# long as it takes to be sure.
OUTAGE_SECONDS = 5.0
# Read by this at a time, of what is read from its beginning to its end.
BUFFER_BYTES = 1024 * 1024
# How often an answer may break off. Requests that are not answered at all botocore repeats by itself.
ATTEMPTS = 3
# What S3 deletes by one request at most.
DELETED_AT_ONCE = 1000
_UNREACHED = (HTTPClientError, NoConnection)
_BROKEN_OFF = (HTTPClientError, IncompleteReadError, HTTPError)


@dataclass(frozen=True)
class _Shared:
    """What the threads of one process share. After a fork the child needs another: connections cannot be."""

    pid: int
    resource: Any
    room: threading.BoundedSemaphore
    # Knows the address under which browsers reach the store.
    public: Any


class Storage(S3Storage):  # type: ignore[misc]
    """`public_url` is the endpoint under which browsers reach the store, where that is not `endpoint_url`."""

    public_url: str

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._lock = threading.Lock()
        self._made: _Shared | None = None
        self._outage = Outage(OUTAGE_SECONDS)

    def get_default_settings(self) -> dict[str, Any]:
        return {**super().get_default_settings(), "public_url": ""}

    @property
    def connection(self) -> Any:
        """One for all threads. To make one takes tenths of a second, and each has a pool of its own."""
        return self._shared.resource

    @property
    def bucket(self) -> Any:
        return self.connection.Bucket(self.bucket_name)

    @property
    def client(self) -> Any:
        """What talks to S3. Threads may share it."""
        return self._shared.resource.meta.client

    def look(self, name: str) -> Found:
        """See `uploads.ranges.look`."""
        with self._answers(name):
            try:
                head = self.client.head_object(**self._address(name))
            except ClientError as error:
                # S3 says 403 of a missing object to who may not list the bucket, and 400 of a name that no object can
                # have. That we are not let in at all is told by the bucket.
                if _status(error) not in (400, 403, 404):
                    raise
                if _status(error) == 403:
                    self.client.head_bucket(Bucket=self.bucket_name)
                logger.info("no object %r in the storage: %s", name, error)
                raise NotThere from None
        return Found(int(head["ContentLength"]), str(head["ETag"]))

    def read_range(self, name: str, start: int, size: int, *, edition: str = "") -> bytes:
        """See `uploads.ranges.read`."""
        with self._answers(name):
            for attempt in range(1, ATTEMPTS + 1):
                with closing(self.begin(name, f"bytes={start}-{start + size - 1}", edition=edition)) as body:
                    try:
                        data: bytes = body.read()
                        return data
                    except _BROKEN_OFF as error:
                        logger.info("%s broke off at attempt %d: %s", name, attempt, error)
                        if attempt == ATTEMPTS:
                            raise
        raise AssertionError

    def begin(self, name: str, wanted: str, *, edition: str = "") -> Any:
        """The body of the answer to a request for a range. Raises `NotThere`."""
        condition = {"IfMatch": edition} if edition else {}
        try:
            answer = self.client.get_object(**self._address(name), Range=wanted, **condition)
        except ClientError as error:
            # Missing; not the edition; ending before the range.
            if _status(error) in (404, 412, 416):
                raise NotThere from None
            raise
        # Not every store that speaks S3 knows conditions.
        if edition and answer["ETag"] != edition:
            answer["Body"].close()
            raise NotThere
        return answer["Body"]

    def walk(self, folder: str) -> Iterator[tuple[str, datetime]]:
        """See `uploads.ranges.walk`. A page of them is asked for at a time."""
        with self._answers(folder):
            prefix = self._key(folder) + "/"
            for page in self._pages("list_objects_v2", prefix):
                for item in page.get("Contents", ()):
                    yield f"{folder}/{item['Key'].removeprefix(prefix)}", item["LastModified"]

    def remove_unfinished(self, folder: str, *, before: datetime) -> int:
        """See `uploads.ranges.remove_unfinished`."""
        removed = 0
        with self._answers(folder):
            for page in self._pages("list_multipart_uploads", self._key(folder) + "/"):
                for item in page.get("Uploads", ()):
                    begun = self._begun(item)
                    if begun is not None and begun < before:
                        self.client.abort_multipart_upload(
                            Bucket=self.bucket_name, Key=item["Key"], UploadId=item["UploadId"]
                        )
                        removed += 1
        return removed

    def _begun(self, item: dict[str, Any]) -> datetime | None:
        """When a multipart upload was begun. SeaweedFS does not say; its pieces tell, and one without costs nothing."""
        if "Initiated" in item:
            begun: datetime = item["Initiated"]
            return begun
        try:
            found = self.client.list_parts(Bucket=self.bucket_name, Key=item["Key"], UploadId=item["UploadId"])
        except ClientError as error:
            # It has just become an object.
            if _status(error) == 404:
                return None
            raise
        return max((piece["LastModified"] for piece in found.get("Parts", ())), default=None)

    def download_url(self, name: str, *, filename: str, content_type: str, seconds: int) -> str:
        """An address under which a browser gets the object, for so many seconds, as a download with that name; empty
        where browsers do not reach the store."""
        if self.endpoint_url and not self.public_url:
            return ""
        wanted = {
            **self._address(name),
            "ResponseContentDisposition": content_disposition_header(True, filename) or "attachment",
            "ResponseContentType": content_type,
            "ResponseCacheControl": "private, no-store",
        }
        with self._answers(name):
            url: str = self._shared.public.generate_presigned_url("get_object", Params=wanted, ExpiresIn=seconds)
        return url

    def delete(self, name: str) -> None:
        with self._answers(name):
            self.client.delete_object(**self._address(name))

    def delete_many(self, names: list[str]) -> None:
        """Delete these objects, a thousand by one request."""
        for start in range(0, len(names), DELETED_AT_ONCE):
            page = names[start : start + DELETED_AT_ONCE]
            with self._answers(page[0]):
                self._delete_page(page)

    def _delete_page(self, names: list[str]) -> None:
        asked = {"Objects": [{"Key": self._key(name)} for name in names], "Quiet": True}
        try:
            answer = self.client.delete_objects(Bucket=self.bucket_name, Delete=asked)
        except ClientError as error:
            # Not every store that speaks S3 can do so.
            if _status(error) not in (400, 405, 501):
                raise
            for name in names:
                self.client.delete_object(**self._address(name))
            return
        if failed := answer.get("Errors"):
            logger.error("S3 did not delete %d of %d objects: %s", len(failed), len(names), failed[0])
            raise StorageAway

    def exists(self, name: str) -> bool:
        try:
            self.look(name)
        except NotThere:
            return False
        return True

    def listdir(self, name: str) -> Any:
        with self._answers(name):
            return super().listdir(name)

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        if mode != "rb":
            raise ValueError("Objects are opened to be read, as bytes.")
        try:
            found = self.look(name)
        except NotThere:
            raise FileNotFoundError(name) from None
        file: File[bytes] = File(io.BufferedReader(_Object(self, name, found), BUFFER_BYTES), name)
        file.size = found.size
        return file

    def _save(self, name: str, content: File[bytes]) -> str:
        name = clean_name(name)
        if self._outage.is_on:
            raise StorageAway
        if not self._shared.room.acquire(timeout=PATIENCE_SECONDS):
            logger.warning("%s is not stored: too much is being stored already", name)
            raise StorageAway
        try:
            with self._answers(name, is_stored=True):
                self._write(self._address(name), content)
        finally:
            self._shared.room.release()
        return str(name)

    def _write(self, address: dict[str, str], content: File[bytes]) -> None:
        kind = {"ContentType": self._get_write_parameters(address["Key"])["ContentType"]}
        first = _piece(content)
        if len(first) < PIECE_BYTES or len(first) == getattr(content, "size", None):
            self.client.put_object(**address, **kind, Body=io.BytesIO(first))
            return
        address["UploadId"] = self.client.create_multipart_upload(**address, **kind)["UploadId"]
        try:
            held = [first]
            del first
            self._write_pieces(address, held, content)
        except BaseException:
            # Of an object that never comes to be S3 would keep what was sent, for ever and unseen.
            with suppress(BotoCoreError, ClientError):
                self.client.abort_multipart_upload(**address)
            raise

    def _write_pieces(self, address: dict[str, str], held: list[bytes], content: File[bytes]) -> None:
        """Write the piece that is `held` and those that follow. Nobody else holds one while the next is read."""
        parts: list[dict[str, Any]] = []
        while held[0]:
            number = len(parts) + 1
            answer = self.client.upload_part(**address, PartNumber=number, Body=io.BytesIO(held.pop()))
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            held.append(_piece(content))
        self.client.complete_multipart_upload(**address, MultipartUpload={"Parts": parts})

    @contextmanager
    def _answers(self, name: str, *, is_stored: bool = False) -> Iterator[None]:
        """Of what fails in here, S3's failures are told as such."""
        try:
            yield
        except (BotoCoreError, ClientError, HTTPError) as error:
            if is_stored and isinstance(error, _UNREACHED):
                self._outage.begin()
            logger.error("S3 fails at %r: %s: %s", name, type(error).__name__, error)
            raise StorageAway from error

    def _address(self, name: str) -> dict[str, str]:
        return {"Bucket": self.bucket_name, "Key": self._key(name)}

    def _key(self, name: str) -> str:
        return str(self._normalize_name(clean_name(name)))

    def _pages(self, operation: str, prefix: str) -> Iterator[dict[str, Any]]:
        yield from self.client.get_paginator(operation).paginate(Bucket=self.bucket_name, Prefix=prefix)

    @property
    def _shared(self) -> _Shared:
        made = self._made
        if made is None or made.pid != os.getpid():
            with self._lock:
                made = self._made
                if made is None or made.pid != os.getpid():
                    made = self._made = self._make()
        return made

    def _make(self) -> _Shared:
        session = self._create_session()

        options = {"region_name": self.region_name, "use_ssl": self.use_ssl, "verify": self.verify}
        resource = session.resource("s3", **options, endpoint_url=self.endpoint_url, config=self.client_config)
        # AWS redirects browsers from the address without a region, which is another than the one that was signed.
        style = None if self.public_url else "virtual"
        config = self.client_config.merge(Config(s3={"addressing_style": style}))
        public = session.client("s3", **options, endpoint_url=self.public_url or None, config=config)
        return _Shared(os.getpid(), resource, threading.BoundedSemaphore(PIECES_AT_ONCE), public)


class _Object(io.RawIOBase):
    """An object as a file: one request brings it as fast as it is read, and another the rest when that breaks off."""

    def __init__(self, storage: Storage, name: str, found: Found) -> None:
        super().__init__()
        self._storage, self._name, self._found = storage, name, found
        self._position = 0
        self._body: Any = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._found.size}[whence]
        if base + offset != self._position:
            self._let_go()
            self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = self._next(len(buffer)) if self._position < self._found.size else b""
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._let_go()
        super().close()

    def _next(self, size: int) -> bytes:
        with self._storage._answers(self._name):
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    if self._body is None:
                        self._body = self._storage.begin(
                            self._name, f"bytes={self._position}-", edition=self._found.edition
                        )
                    data: bytes = self._body.read(size)
                    return data
                except NotThere:
                    raise FileNotFoundError(self._name) from None
                except _BROKEN_OFF as error:
                    logger.info("%s broke off at byte %d: %s", self._name, self._position, error)
                    self._let_go()
                    if attempt == ATTEMPTS:
                        raise
        raise AssertionError

    def _let_go(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None


def _piece(content: "File[bytes] | IO[bytes]") -> bytes:
    """The next piece, less only at the end."""
    data: bytes = content.read(PIECE_BYTES)
    while data and len(data) < PIECE_BYTES and (more := content.read(PIECE_BYTES - len(data))):
        data += more
    return data


def _status(error: ClientError) -> int:
    status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status
