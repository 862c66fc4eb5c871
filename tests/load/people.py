"""Makes accounts with a browser's session each, in the database that the environment names: ``… people 200``.

Prints one JSON object a line. A program of its own, since it is Django that makes them.
"""

import json
import sys

import django


def main(count: int) -> None:
    django.setup()
    from django.conf import settings
    from django.test import Client

    from accounts.models import User

    # Nobody logs in by password here, so that none has to be hashed.
    settings.ALLOWED_HOSTS = ["*"]
    for number in range(1, count + 1):
        user = User.objects.create_user(f"person.{number}@example.org")
        browser = Client()
        browser.force_login(user)
        session = browser.cookies[settings.SESSION_COOKIE_NAME].value
        print(json.dumps({"number": number, "id": user.pk, "session": session}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
