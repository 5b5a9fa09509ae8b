"""
Installs the guards.
"""

from django.db import migrations

from runstate.django import InstallGuards


class Migration(migrations.Migration):
    """
    Two tables are guarded.
    """

    dependencies = [("django_jobs", "0001_initial")]
    operations = [InstallGuards("Job", "state"), InstallGuards("Document", "status")]
