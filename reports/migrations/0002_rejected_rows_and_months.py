"""Rejected rows by window, sales by month, rows by department; packed files; what was read as what."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('reports', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='MonthTotal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.CharField(help_text='YYYY-MM', max_length=7)),
                ('total', models.TextField(help_text='In decimal digits.')),
                ('rows', models.BigIntegerField(help_text='How many rows it is the sum of.')),
            ],
            options={
                'ordering': ['month'],
            },
        ),
        migrations.CreateModel(
            name='RejectedRows',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('start', models.BigIntegerField(help_text="Where in the file's contents the window begins.")),
                ('rows', models.IntegerField(help_text='How many rows they are.')),
                ('storage_name', models.CharField(max_length=255)),
            ],
            options={
                'ordering': ['start'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='job',
            name='job_counters_make_sense',
        ),
        migrations.RenameField(
            model_name='job',
            old_name='layout',
            new_name='context',
        ),
        migrations.AlterField(
            model_name='job',
            name='context',
            field=models.JSONField(help_text='What the pipeline knows of the file, from window to window.', null=True),
        ),
        migrations.AddField(
            model_name='departmenttotal',
            name='rows',
            field=models.BigIntegerField(default=0, help_text='How many rows it is the sum of.'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='job',
            name='encoding',
            field=models.CharField(blank=True, help_text='What the file was read as.', max_length=16),
        ),
        migrations.AddField(
            model_name='job',
            name='position',
            field=models.BigIntegerField(default=0, help_text="How far that is in the file's contents: as far, unless it is packed."),
        ),
        migrations.AddField(
            model_name='job',
            name='reasons',
            field=models.JSONField(default=dict, help_text='How many rows were rejected for which reason; a row can have several.'),
        ),
        migrations.AlterField(
            model_name='departmenttotal',
            name='total',
            field=models.TextField(help_text='In decimal digits.'),
        ),
        migrations.AddConstraint(
            model_name='job',
            constraint=models.CheckConstraint(condition=models.Q(('bytes_done__gte', 0), ('position__gte', 0), ('bad_rows__gte', 0), ('rows__gte', models.F('bad_rows'))), name='job_counters_make_sense'),
        ),
        migrations.AddField(
            model_name='monthtotal',
            name='job',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='months', to='reports.job'),
        ),
        migrations.AddField(
            model_name='rejectedrows',
            name='job',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rejected', to='reports.job'),
        ),
        migrations.AddConstraint(
            model_name='monthtotal',
            constraint=models.UniqueConstraint(fields=('job', 'month'), name='month_unique'),
        ),
        migrations.AddConstraint(
            model_name='rejectedrows',
            constraint=models.UniqueConstraint(fields=('job', 'start'), name='rejected_unique_start'),
        ),
    ]
