"""How tests call: files cut into messages, what must come of them, and what is in a refusal."""

import csv
import io
import os
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from reports.models import Job
from reports.rpc.stubs.sales_pb2 import UploadRequest
from tests.reports.engine import reference
from uploads.models import Part, Upload

Metadata = tuple[tuple[str, str], ...]


def cut(data: bytes, size: int = 1000, *, filename: str = "sales.csv", **first: Any) -> Iterator[UploadRequest]:
    """The file in messages of `size` bytes, the first of them with what else it has."""
    yield UploadRequest(data=data[:size], filename=filename, **first)
    for start in range(size, len(data), size):
        yield UploadRequest(data=data[start : start + size])


def bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


@dataclass(frozen=True)
class Expected:
    """What is right for a file, by the plainest Python."""

    csv: bytes
    rows: int
    bad_rows: int
    departments: int
    total: str

    @classmethod
    def of(cls, data: bytes, **options: Any) -> "Expected":
        result = reference.aggregate(data, **options)
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["Department Name", "Total Number of Sales"])
        writer.writerows((*names, sales) for names, (sales, _rows) in result.departments.items())
        total = sum(sales for sales, _rows in result.departments.values())
        departments = len(result.departments)
        return cls(out.getvalue().encode(), result.rows, len(result.rejected), departments, str(total))

    def check(self, answer: Any) -> None:
        """That the answer to an upload says so."""
        assert (answer.rows, answer.bad_rows) == (self.rows, self.bad_rows)
        assert answer.departments == self.departments
        assert answer.elapsed_sec > 0


@dataclass(frozen=True)
class Refused:
    """What is in a refusal, as a program finds it."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    field: str | None = None
    retry_seconds: int | None = None

    @classmethod
    def read(cls, error: Any) -> "Refused":
        found: dict[str, Any] = {}
        status: Status | None = rpc_status.from_call(error)
        for detail in status.details if status else ():
            info, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
            if detail.Unpack(info):
                assert info.domain == "salesagg"
                found["reason"] = info.reason
            elif detail.Unpack(bad):
                [violation] = bad.field_violations
                assert (violation.reason, violation.description) == (found["reason"], error.details())
                found["field"] = violation.field
            else:
                assert detail.Unpack(retry)
                found["retry_seconds"] = retry.retry_delay.seconds
        return cls(error.code(), error.details(), **found)

    @property
    def kind(self) -> tuple[str, str]:
        return self.code.name, self.reason


async def refused(call: Awaitable[Any]) -> Refused:
    """What the call is refused with."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return Refused.read(error.value)


async def all_of(call: Any) -> list[Any]:
    """The messages of an answer that is a stream, all that have not been read."""
    messages = []
    while (message := await call.read()) is not grpc.aio.EOF:
        messages.append(message)
    return messages


def nothing_left(files: Path) -> None:
    """That no file, and nothing that works on one, is left."""
    # Unlike `rglob`, it does not mind a folder that is being removed.
    stored = [name for _folder, _folders, names in os.walk(files) for name in names]
    open_jobs = Job.objects.filter(status__in=["pending", "processing"]).count()
    uploads = Upload.objects.exclude(state__in=[Upload.State.CANCELLED, Upload.State.EXPIRED]).count()
    assert (stored, Part.objects.count(), open_jobs, uploads) == ([], 0, 0, 0)
