"""The older service's way: the whole file in one message, aggregated in the handler with `csv.reader` and a dict."""

import csv
import io
import sys
import time
import uuid
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc

from reports.rpc.stubs.sales_pb2 import DownloadRequest, DownloadResponse, UploadRequest, UploadResponse
from tests.services.rpc import ANY_LENGTH

# Of the executor, as in gRPC's examples.
THREADS = 10


class Handlers:
    """Results are kept as CSV in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def upload(self, request: UploadRequest, context: Any) -> UploadResponse:
        began = time.monotonic()
        totals: dict[str, int] = {}
        rows = bad_rows = 0
        reader = csv.reader(io.StringIO(request.data.decode()))
        next(reader)
        for row in reader:
            rows += 1
            try:
                department, _day, sales = row
                number = int(sales)
            except ValueError:
                bad_rows += 1
            else:
                totals[department] = totals.get(department, 0) + number
        name = uuid.uuid4().hex
        with (self._folder / name).open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["Department Name", "Total Number of Sales"])
            writer.writerows(sorted(totals.items()))
        seconds = time.monotonic() - began
        return UploadResponse(
            result_id=name, rows=rows, bad_rows=bad_rows, departments=len(totals), elapsed_sec=seconds
        )

    def download(self, request: DownloadRequest, context: Any) -> DownloadResponse:
        return DownloadResponse(data=(self._folder / request.result_id).read_bytes())


def main(port: str, folder: str) -> None:
    handlers = Handlers(Path(folder))
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "UploadCSV": grpc.unary_unary_rpc_method_handler(
            handlers.upload, UploadRequest.FromString, UploadResponse.SerializeToString
        ),
        "DownloadResult": grpc.unary_unary_rpc_method_handler(
            handlers.download, DownloadRequest.FromString, DownloadResponse.SerializeToString
        ),
    }
    server = grpc.server(futures.ThreadPoolExecutor(THREADS), options=ANY_LENGTH)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("sales.v1.SalesService", methods),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
