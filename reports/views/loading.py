"""Loading what a page is about."""

import uuid

from django.http import HttpRequest

from accounts.access import require_user
from accounts.ownership import load_owned
from reports.models import Job


def load_job(request: HttpRequest, pk: uuid.UUID) -> Job:
    return load_owned(Job.objects.select_related("upload"), owner=require_user(request), pk=pk)
