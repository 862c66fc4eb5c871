"""`manage.py worker_alive`: whether a worker on this machine, or in this container, has given a sign of life lately."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from reports import workers


class Command(BaseCommand):
    help = (
        "End with 0 when a worker of this host has given a sign of life lately, as the database has it, else with 1: "
        "for the health of containers."
    )
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        here = workers.name().rpartition(":")[0]
        try:
            known: list[Any] = list(workers.all_known().filter(name__startswith=f"{here}:"))
        except DatabaseError as error:
            raise CommandError(f"The database does not answer: {error}") from error
        alive = [worker.name for worker in known if not worker.silent]
        if not alive:
            raise CommandError(f"No worker of {here} has given a sign of life lately.")
        self.stdout.write(", ".join(alive))
