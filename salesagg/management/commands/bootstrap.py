"""`manage.py bootstrap`: everything a site needs before its processes start; for containers, at every start."""

import secrets
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
        "is none, whose password is printed this once. Safe to repeat."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", default="admin@localhost", help="of the administrator, by default %(default)s")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=options["verbosity"])
        if _make_bucket():
            self.stdout.write("The storage has a bucket now.")
        if not User.objects.filter(is_superuser=True).exists():
            self._make_admin(email)

    def _make_admin(self, email: str) -> None:
        validate_email(email)
        if User.objects.filter(email__iexact=email).exists():
            raise CommandError(f"{email} is a person's account already. Name another address by --email.")
        password = secrets.token_urlsafe(12)
        User.objects.create_superuser(email, password)
        line = "-" * 72
        self.stdout.write(
            f"{line}\nSalesagg is at {settings.SITE_URL}\nLog in as   {email}\nPassword    {password}\n"
            f"It is shown this once. Change it there: {settings.SITE_URL}/accounts/password/change/\n{line}"
        )


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
