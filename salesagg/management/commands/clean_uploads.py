"""`manage.py clean_uploads`: for a daily timer."""

from typing import Any

from django.core.management.base import BaseCommand

from reports import exports, results
from uploads import cleanup, lifecycle


class Command(BaseCommand):
    help = "End overdue uploads and delete stored bytes that belong to nothing. Safe at any time, also twice at once."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"uploads expired: {lifecycle.expire_overdue()}")
        self.stdout.write(f"ended uploads emptied: {cleanup.remove_leftovers()}")
        self.stdout.write(f"orphan objects deleted: {cleanup.remove_orphans()}")
        self.stdout.write(f"files of no job deleted: {results.remove_orphans()}")
        self.stdout.write(f"exports of no job forgotten: {exports.remove_orphans()}")
        self.stdout.write(f"unfinished objects deleted: {cleanup.remove_unfinished('uploads', 'jobs')}")
