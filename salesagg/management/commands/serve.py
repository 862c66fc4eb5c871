"""`manage.py serve`: the whole app in one process, ready to use; what `make run` calls."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from reports.rpc import tls
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
        rpc = self._rpc()
        starting.hold_folder(settings.DATA_DIR)
        call_command("migrate", verbosity=0, interactive=False)
        if not settings.DEBUG:
            staticfiles.collect_if_changed()
        self.stdout.write(f"Salesagg is at {server.address()}  (Ctrl-C ends it)")
        if rpc is not None:
            self.stdout.write(f"gRPC is at {rpc.address}")
        if settings.DEBUG:
            self.stdout.write(f"A sample CSV to try it with: {server.address()}/sample.csv")
        self.stdout.flush()
        server.serve(settings.HOST, settings.PORT, rpc)

    def _rpc(self) -> server.Rpc | None:
        host, port = settings.GRPC_HOST, settings.GRPC_PORT
        if not port:
            return None
        starting.check_port(host, port, "make run GRPC_PORT=50052")
        try:
            return server.Rpc(starting.written(host, port), tls.credentials())
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
