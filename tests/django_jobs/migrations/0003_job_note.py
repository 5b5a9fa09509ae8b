"""
Widens another column, for which SQLite makes the table anew.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    """
    Concerns no status.
    """

    dependencies = [("django_jobs", "0002_guard_job_state")]
    operations = [migrations.AlterField("job", "note", models.CharField(default="", max_length=60))]
