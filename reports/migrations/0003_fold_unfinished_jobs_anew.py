"""Checkpoints have another form now. Jobs that are not done fold their uploads, which are all there, anew."""

from django.db import migrations
from django.db.models import F


def fold_anew(apps, schema_editor):
    Job = apps.get_model('reports', 'Job')
    completed = Job.objects.filter(status='completed')
    for job in completed.iterator():
        layout = job.context
        Job.objects.filter(pk=job.pk).update(
            position=F('bytes_done'), encoding=layout['encoding'], context={'layout': layout, 'skipping': False}
        )
    unfinished = Job.objects.exclude(status='completed')
    apps.get_model('reports', 'Checkpoint').objects.filter(job__in=unfinished).delete()
    unfinished.update(bytes_done=0, position=0, rows=0, bad_rows=0, context=None)


class Migration(migrations.Migration):

    dependencies = [
        ('reports', '0002_rejected_rows_and_months'),
    ]

    operations = [
        migrations.RunPython(fold_anew, migrations.RunPython.noop),
    ]
