"""
Makes the table of the journal.
"""

from typing import ClassVar

from django.db import migrations, models

__all__ = ["Migration"]


class Migration(migrations.Migration):
    """
    The journal as it was first.
    """

    initial: ClassVar[bool | None] = True
    dependencies: ClassVar[list[tuple[str, str]]] = []
    operations: ClassVar[list[migrations.operations.base.Operation]] = [
        migrations.CreateModel(
            name="JournalEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("model", models.CharField(max_length=200)),
                ("object_id", models.CharField(max_length=255)),
                ("trigger", models.CharField(max_length=200)),
                ("source", models.CharField(max_length=200)),
                ("target", models.CharField(max_length=200)),
                ("at", models.DateTimeField(db_index=True)),
                ("actor", models.TextField(null=True)),
                ("attempt", models.BigIntegerField(null=True)),
            ],
            options={
                "verbose_name_plural": "journal entries",
                "ordering": ["id"],
                "indexes": [
                    models.Index(fields=["model", "object_id"], name="runstate_journal_object")
                ],
            },
        )
    ]
