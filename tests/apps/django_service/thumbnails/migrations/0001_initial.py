"""
Makes the table.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    """
    Thumbnails as they were first.
    """

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Thumbnail",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("being_made", "being_made"),
                            ("made", "made"),
                            ("broken", "broken"),
                            ("called_off", "called_off"),
                        ],
                        default="waiting",
                        editable=False,
                        max_length=32,
                    ),
                ),
                ("attempt", models.PositiveIntegerField(default=1)),
                ("image", models.CharField(max_length=80)),
                ("worker", models.CharField(default="", max_length=100)),
                ("held_until", models.DateTimeField(db_index=True, null=True)),
                ("error", models.TextField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
            ],
        ),
    ]
