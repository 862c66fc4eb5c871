"""`manage.py backup PATH`: a copy of one-process mode's data, made while it runs."""

import sqlite3
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.management.base import BaseCommand, CommandError

from salesagg.core import backups


class Command(BaseCommand):
    help = (
        "Copy the SQLite database, the files and the secret key into the new folder PATH, also while the server runs. "
        "The folder can be used as DATA_DIR. It holds all data and secrets, for its owner alone."
    )
    # The database of an older version can be copied too.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="a folder that does not exist yet")

    def handle(self, *args: Any, path: Path, **options: Any) -> None:
        database = settings.DATABASES["default"]
        if not database["ENGINE"].endswith("sqlite3"):
            raise CommandError("The database is PostgreSQL. Back it up by pg_dump: see docs/deploy.md.")
        try:
            backups.make(
                path.absolute(),
                database=Path(database["NAME"]),
                files=_files_folder(),
                key=settings.DATA_DIR / backups.KEY,
            )
        except FileExistsError as error:
            raise CommandError(f"{path} exists already. Name a new folder.") from error
        except (OSError, sqlite3.Error) as error:
            raise CommandError(f"The backup was not made: {error}") from error
        self.stdout.write(f"The backup is in {path}. Start from it with: make run DATA_DIR={path.absolute()}")
        if _files_folder() is None:
            self.stdout.write("The files are in S3 and not in the backup: copy the bucket with its own tools.")


def _files_folder() -> Path | None:
    storage = default_storage
    if not isinstance(storage, FileSystemStorage):
        return None
    folder = Path(storage.location)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
