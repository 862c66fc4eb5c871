"""What a person prefers: a language, and mails about jobs that have ended."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='email_when_done',
            field=models.BooleanField(default=False, help_text='Mail the person when a job has ended while no page of ours was open.'),
        ),
        migrations.AddField(
            model_name='user',
            name='language',
            field=models.CharField(blank=True, choices=[('en', 'English'), ('de', 'Deutsch')], help_text='Of pages and mails; empty: as the browser asks.', max_length=8),
        ),
    ]
