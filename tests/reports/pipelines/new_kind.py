"""Uploads a file of the kind `returns`, and prints what everybody sees of it. A process of its own, since it runs in a
tree that has one module more."""

import json

import django
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client

FILE = b"Order Number;Why;Shelf\n1234567;torn;A\n12;;B\n99;" + b"x" * 81 + b";C\n\n7654321\n"


def main() -> None:
    django.setup()
    # Nothing has been collected, and no page is looked at.
    static = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": static}
    call_command("migrate", verbosity=0)
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    from accounts.models import User
    from reports import runner

    client = Client(headers={"Host": "localhost"})
    client.force_login(User.objects.create_user("ann@example.org", "correct horse battery"))
    described = client.get("/api/openapi.json").json()["paths"]["/api/jobs/upload"]["post"]["requestBody"]
    fields = described["content"]["multipart/form-data"]["schema"]["properties"]
    form = {"kind": "returns", "reason_column": "Why", "file": SimpleUploadedFile("returns.csv", FILE)}
    made = client.post("/api/jobs/upload", form)
    runner.run_all()
    job = made.json()["jobId"]
    report = b"".join(client.get(f"/api/jobs/{job}/errors.csv"))
    seen = {
        "kinds": fields["kind"]["enum"],
        "keys": list(fields),
        "made": made.status_code,
        "job": client.get(f"/api/jobs/{job}").json(),
        "errors": report.decode(),
        "page": client.get(f"/jobs/{job}/").content.decode(),
        "statuses": [client.get(path).status_code for path in ("/", "/files/", f"/jobs/{job}/", f"/jobs/{job}/body")],
        "result": client.get(f"/api/jobs/{job}/result.csv").json()["code"],
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
