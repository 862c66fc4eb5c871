from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reports", "0009_worker_hands"),
    ]

    operations = [
        migrations.AddField(
            model_name="webhook",
            name="previous_secret",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=100),
        ),
        migrations.AddField(
            model_name="webhook",
            name="previous_secret_until",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="webhook",
            name="failing_since",
            field=models.DateTimeField(help_text="The first failed try since the last delivery.", null=True),
        ),
        migrations.AddField(
            model_name="webhook",
            name="disabled_because",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="failing, gone, or empty: the owner did it.",
                max_length=16,
            ),
        ),
    ]
