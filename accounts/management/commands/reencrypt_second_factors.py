"""`manage.py reencrypt_second_factors`: needed once after SECRET_KEY was changed."""

from typing import Any

from cryptography.fernet import InvalidToken
from django.core.management.base import BaseCommand, CommandError

from accounts import second_factor


class Command(BaseCommand):
    help = "Encrypt second factors with the present SECRET_KEY, before the earlier one leaves SECRET_KEY_FALLBACKS."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = second_factor.reencrypt_all()
        except InvalidToken as error:
            raise CommandError("A secret cannot be decrypted. Add the earlier key to SECRET_KEY_FALLBACKS.") from error
        self.stdout.write(f"{count} second factors are encrypted with the present SECRET_KEY.")
