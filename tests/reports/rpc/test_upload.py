"""UploadCSV: a file in messages becomes the same upload, job and result as any other."""

from collections.abc import Iterator
from typing import Any

import pytest

from reports.models import Job
from reports.rpc.stubs.sales_pb2 import UploadRequest
from tests.files import sales_csv

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(5000)


def cut(data: bytes, size: int) -> Iterator[UploadRequest]:
    for start in range(0, len(data), size):
        yield UploadRequest(data=data[start : start + size], filename="sales.csv" if start == 0 else "")


async def test_a_file_in_many_messages_has_its_result_in_the_answer(stub: Any, auth: Any, worker: None) -> None:
    answer = await stub.UploadCSV(cut(DATA, 1000), metadata=auth, timeout=30)
    job = await Job.objects.select_related("upload").aget(pk=answer.result_id)
    assert (answer.rows, answer.bad_rows, answer.departments) == (job.rows, job.bad_rows, job.departments)
    assert answer.rows == 5000
    assert answer.total == job.total
    assert job.upload.filename == "sales.csv"
    assert "/api/downloads/" in answer.download_url
    assert answer.elapsed_sec > 0
