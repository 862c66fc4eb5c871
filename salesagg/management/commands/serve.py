"""`manage.py serve`: the whole app in one process, ready to use; what `make run` calls."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from salesagg import server, starting, staticfiles


class Command(BaseCommand):
    help = "Serve everything from one process: database and static files are brought up to date first."

    def handle(self, *args: Any, **options: Any) -> None:
        starting.end_at_once_at_a_signal()
        if settings.DATABASE_URL or settings.REDIS_URL:
            raise CommandError(
                "DATABASE_URL and REDIS_URL are for separate processes: start “daphne salesagg.asgi:application” and "
                "“celery -A salesagg worker” instead, or unset them."
            )
        starting.check_port(settings.HOST, settings.PORT, "make run PORT=8001")
        call_command("migrate", verbosity=0, interactive=False)
        if not settings.DEBUG:
            staticfiles.collect_if_changed()
        self.stdout.write(f"Salesagg is at {server.address()}  (Ctrl-C ends it)")
        if settings.DEBUG:
            self.stdout.write(f"A sample CSV to try it with: {server.address()}/sample.csv")
        self.stdout.flush()
        server.serve(settings.HOST, settings.PORT)
