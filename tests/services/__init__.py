"""The real servers that tests talk to: started on free ports of this machine, ended with the test session."""

from tests.services.backing import S3, Postgres, Redis
from tests.services.processes import Process, free_port, wait_until

__all__ = ["S3", "Postgres", "Process", "Redis", "free_port", "wait_until"]
