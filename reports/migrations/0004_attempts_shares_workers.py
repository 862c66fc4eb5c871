"""Attempts and workers for the operators, links to reports, the total of all departments, two more orders of them."""

import django.db.models.deletion
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('reports', '0003_fold_unfinished_jobs_anew'),
    ]

    operations = [
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('worker', models.CharField(help_text='Host and process.', max_length=255)),
                ('started_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('outcome', models.CharField(blank=True, choices=[('completed', 'Completed'), ('failed', 'Failed'), ('cancelled', 'Cancelled'), ('released', 'released by a worker that was stopped'), ('lost', 'the worker was lost'), ('crashed', 'an unexpected error')], max_length=16)),
                ('start', models.BigIntegerField(help_text="Where in the file's contents it took the job up.")),
                ('end', models.BigIntegerField(help_text='How far it has come.')),
                ('windows', models.IntegerField(default=0, help_text='How many windows it has committed.')),
                ('checkpoint_at', models.DateTimeField(help_text='When it committed the latest.', null=True)),
                ('error', models.TextField(blank=True, help_text='The unexpected error, for operators.')),
            ],
            options={
                'ordering': ['started_at', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='Share',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField()),
                ('revoked_at', models.DateTimeField(null=True)),
                ('opened_at', models.DateTimeField(help_text='When it was last opened.', null=True)),
            ],
            options={
                'ordering': ['created_at'],
            },
        ),
        migrations.CreateModel(
            name='Worker',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='Host and process.', max_length=255, unique=True)),
                ('started_at', models.DateTimeField()),
                ('seen_at', models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name='job',
            name='total',
            field=models.TextField(blank=True, help_text='The sales of all departments, in decimal digits.'),
        ),
        migrations.AlterField(
            model_name='departmenttotal',
            name='job',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='totals', to='reports.job'),
        ),
        migrations.AddIndex(
            model_name='departmenttotal',
            index=models.Index(fields=['job', 'id'], name='total_by_name'),
        ),
        migrations.AddIndex(
            model_name='departmenttotal',
            index=models.Index(fields=['job', 'rows', 'id'], name='total_by_rows'),
        ),
        migrations.AddField(
            model_name='attempt',
            name='job',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='attempts', to='reports.job'),
        ),
        migrations.AddField(
            model_name='share',
            name='job',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='shares', to='reports.job'),
        ),
        migrations.AddConstraint(
            model_name='attempt',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('job',), name='attempt_one_open'),
        ),
    ]
