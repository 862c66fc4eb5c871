"""`manage.py create_token EMAIL`: an API token for a user, printed once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import tokens
from accounts.errors import Refusal
from accounts.models import User


class Command(BaseCommand):
    help = "Print a new API token for a user. It is shown this once; the database keeps only its digest."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="command line", help="what the token is for")

    def handle(self, *args: Any, email: str, name: str, **options: Any) -> None:
        user = User.objects.filter(email__iexact=email).first()
        if user is None:
            raise CommandError(f"There is no user with the address {email}. They sign up at /accounts/signup/ first.")
        try:
            self.stdout.write(tokens.issue(user, name=name))
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal
