"""The soak: people use the product for an hour while its processes are killed, and nothing is lost, doubled or stuck.

``make soak``, or ``python -m tests.soak``. In the environment: `SOAK_MINUTES` (60), `SOAK_SEED`, `SOAK_PEOPLE` (5),
`SOAK_MEGABYTES` of the largest file (60), `SOAK_KILL_SECONDS` between two kills (60), `SOAK_STORAGE` (``files`` or
``s3``), and `SOAK_FOLDER` for what the processes write, kept when it is given.
"""

import os

# This process starts others while calls of gRPC are on their way. gRPC's own preparations for a fork crash the child
# now and then before it has become another program.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
