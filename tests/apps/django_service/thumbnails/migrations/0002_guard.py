"""
The database refuses what the lifecycle does not allow.
"""

from django.db import migrations

from runstate.django import InstallGuards


class Migration(migrations.Migration):
    """
    Guards.
    """

    dependencies = [("thumbnails", "0001_initial")]
    operations = [InstallGuards("Thumbnail", "state")]
