"""An index for the operations page: what has ended lately."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('reports', '0004_attempts_shares_workers'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='job',
            index=models.Index(fields=['status', 'finished_at'], name='job_by_end'),
        ),
    ]
