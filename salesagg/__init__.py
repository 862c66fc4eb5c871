"""The project: settings, URLs, servers and what every app shares at the outermost layer."""

from salesagg.celery import app as celery_app

__all__ = ["celery_app"]
