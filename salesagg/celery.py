"""The Celery application; `celery -A salesagg worker` finds it here."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salesagg.settings")

app = Celery("salesagg")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
