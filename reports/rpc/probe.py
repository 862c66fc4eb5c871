"""``python -m reports.rpc.probe 127.0.0.1:50051``: ends with 0 when the server there takes calls. For containers.

It speaks without TLS; where that is set up, ask with the certificates of a client of your own.
"""

import sys
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub


def takes_calls(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        health: Any = HealthStub(channel)
        try:
            answer = health.Check(HealthCheckRequest(), timeout=3)
        except grpc.RpcError as error:
            print(error, file=sys.stderr)
            return False
    return bool(answer.status == HealthCheckResponse.SERVING)


if __name__ == "__main__":
    sys.exit(not takes_calls(sys.argv[1]))
