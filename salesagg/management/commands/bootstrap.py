"""`manage.py bootstrap`: everything a site needs before its processes start; for containers, at every start."""

import os
import secrets
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from accounts.models import User


class Command(BaseCommand):
    help = (
        "Bring the database up to date, make the bucket of the storage if there is none, and an administrator if there "
        "is none. The administrator's first password is shown on a terminal or written to a file, never to a log, and "
        "has to be changed at the first login. Safe to repeat."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", default="admin@localhost", help="of the administrator, by default %(default)s")
        parser.add_argument(
            "--password-file",
            type=Path,
            help="the file with the administrator's first password, or where to write it, for its owner alone; without "
            "this option it is shown when the output is a terminal, and else written to admin_password in DATA_DIR",
        )

    def handle(self, *args: Any, email: str, password_file: Path | None, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=options["verbosity"])
        if _make_bucket():
            self.stdout.write("The storage has a bucket now.")
        if not User.objects.filter(is_superuser=True).exists():
            self._make_admin(email, password_file)

    def _make_admin(self, email: str, file: Path | None) -> None:
        validate_email(email)
        if User.objects.filter(email__iexact=email).exists():
            raise CommandError(f"{email} is a person's account already. Name another address by --email.")
        if file is None and not self.stdout.isatty():
            file = settings.DATA_DIR / "admin_password"
        password = _read_or_write(file) if file else secrets.token_urlsafe(12)
        User.objects.create_superuser(email, password, must_change_password=True)
        where = f"is in the file {file}" if file else f"is {password}"
        line = "-" * 72
        self.stdout.write(
            f"{line}\nSalesagg is at {settings.SITE_URL}\nLog in as {email}\nThe first password {where}\n"
            f"You choose another at the first login.\n{line}"
        )


def _read_or_write(path: Path) -> str:
    """The password in the file; a new one, in a new file that its owner alone may read, if there is no such file."""
    try:
        if path.exists():
            return path.read_text().strip()
        password = secrets.token_urlsafe(12)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(password + "\n")
    except OSError as error:
        raise CommandError(f"The first password cannot be kept in {path}: {error.strerror}.") from error
    return password


def _make_bucket() -> bool:
    """Returns whether one was made; S3's rights, where it has not those to make one, are the operator's to give."""
    storage: Any = default_storage
    client = getattr(storage, "client", None)
    if client is None:
        return False
    name = storage.bucket_name
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise CommandError(f"The storage does not let us see the bucket {name}: {error}") from error
    else:
        return False
    region = storage.region_name
    # AWS takes the name of any region but of its first.
    where = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region not in (None, "us-east-1") else {}
    client.create_bucket(Bucket=name, **where)
    return True
