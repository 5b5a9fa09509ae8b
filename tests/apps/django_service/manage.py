"""
The command line of the service; DATABASE holds Django's settings of the database, as JSON.
"""

import json
import os
import sys

import django
from django.conf import settings
from django.core.management import execute_from_command_line

DATABASE = json.loads(os.environ["DATABASE"])
if DATABASE["ENGINE"].endswith("mysql"):
    import pymysql

    pymysql.install_as_MySQLdb()

settings.configure(
    DATABASES={"default": DATABASE},
    INSTALLED_APPS=["thumbnails", "runstate.django"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
