import os
from urllib.parse import urlsplit

import pymysql

# Django asks for mysqlclient; PyMySQL takes its place where it says that it is new enough.
pymysql.version_info = (2, 2, 7, "final", 0)
pymysql.install_as_MySQLdb()

ENGINES = {"postgresql": "postgresql", "mysql": "mysql", "sqlite": "sqlite3"}
url = urlsplit(os.environ["DATABASE_URL"])

DATABASES = {
    "default": {
        "ENGINE": f"django.db.backends.{ENGINES[url.scheme]}",
        "NAME": url.path if url.scheme == "sqlite" else url.path[1:],
        "USER": url.username,
        "PASSWORD": url.password,
        "HOST": url.hostname,
        "PORT": url.port,
    }
}
INSTALLED_APPS = ["django.contrib.sessions"]
SECRET_KEY = "a secret of the tests"
USE_TZ = os.environ["USE_TZ"] == "True"
TIME_ZONE = os.environ["TIME_ZONE"]
