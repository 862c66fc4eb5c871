"""Mails about jobs that have ended while their owners were away and had asked to be told."""

import logging
import uuid

from celery import current_app
from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from kombu.exceptions import OperationalError

from accounts import metrics, presence
from reports import words
from reports.models import Job
from reports.pipelines import pipeline_for

logger = logging.getLogger(__name__)

TASK = "reports.tasks.mail_about"


def send_if_away(job_id: uuid.UUID) -> None:
    """Have a mail sent about the job's end, if its owner wants one. Never raises: the job has ended in any case."""
    job = Job.objects.select_related("owner").filter(pk=job_id).first()
    if job is None or not job.owner.email_when_done or not presence.is_away(job.owner_id):
        return
    try:
        # As a task of its own: a mail server that hangs must not hold the next job.
        current_app.send_task(TASK, args=[str(job_id)])
    except (OperationalError, OSError) as error:
        logger.warning("no mail about job %s: %s", job_id, error)


def mail_about(job_id: str) -> None:
    """Mail the owner how the job ended, in their language."""
    job = Job.objects.select_related("owner", "upload").filter(pk=job_id).first()
    if job is None or not job.is_finished:
        return
    with translation.override(job.owner.language or settings.LANGUAGE_CODE):
        error = words.error(job.error_code, job.error)
        context = {
            "job": job,
            "error": error,
            "has_result": pipeline_for(job.kind).has_result,
            "imported": job.rows - job.bad_rows,
            "url": settings.SITE_URL + reverse("report", args=[job.pk]),
        }
        subject = " ".join(render_to_string("reports/mail/ended_subject.txt", context).split())
        try:
            send_mail(subject, render_to_string("reports/mail/ended.txt", context), None, [job.owner.email])
        except OSError:
            metrics.FAILURES.labels("mail").inc()
            raise
