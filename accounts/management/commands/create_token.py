"""`manage.py create_token EMAIL`: an API token for a user, printed once."""

import sys
from argparse import ArgumentTypeError
from contextlib import redirect_stdout
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import tokens
from accounts.errors import Refusal
from accounts.models import ApiToken, User

MAX_DAYS = 3650


class Command(BaseCommand):
    help = "Print a new API token for a user. It is shown this once; the database keeps only its digest."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="command line", help="what the token is for")
        parser.add_argument("--read-only", action="store_true", help="it may only look at things")
        parser.add_argument("--days", type=_days, help="for how many days it holds; without it, until it is revoked")

    def handle(self, *args: Any, email: str, name: str, read_only: bool, days: int | None, **options: Any) -> None:
        user = User.objects.filter(email__iexact=email).first()
        if user is None:
            raise CommandError(f"There is no user with the address {email}. They sign up at /accounts/signup/ first.")
        scopes = ApiToken.Scopes.READ if read_only else ApiToken.Scopes.WRITE
        try:
            # Scripts read the token from standard output, where EMAIL_URL by default prints the notice to its owner.
            with redirect_stdout(sys.stderr):
                token = tokens.issue(user, name=name, scopes=scopes, days=days)
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal
        self.stdout.write(token)


def _days(text: str) -> int:
    days = int(text)
    if not 1 <= days <= MAX_DAYS:
        raise ArgumentTypeError(f"Between 1 and {MAX_DAYS} days are possible.")
    return days
