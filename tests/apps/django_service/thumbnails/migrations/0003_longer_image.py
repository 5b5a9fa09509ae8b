"""
Changes another column.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    """
    A longer path.
    """

    dependencies = [("thumbnails", "0002_guard")]
    operations = [migrations.AlterField("thumbnail", "image", models.CharField(max_length=200))]
