"""
A MariaDB of the tests' own: Debian's server on a private port, socket and data folder.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from databases import START_SECONDS, _end_with_parent, _free_port

_SERVER = Path("/usr/sbin/mariadbd")


@contextmanager
def mariadb() -> Iterator[str | None]:
    """
    Yield the URL of a server that runs until the end, or None where there is none to start.
    """
    install = shutil.which("mariadb-install-db")
    if install is None or not _SERVER.exists():
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="runstate-my-"))
    try:
        yield from _serving(install, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serving(install: str, folder: Path) -> Iterator[str]:
    user = "nobody" if os.getuid() == 0 else None
    data, port, log = folder / "data", _free_port(), folder / "log"
    if user is not None:
        folder.chmod(0o755)
        shutil.chown(folder, user)
    # Started by root, the server refuses to run unless a user is named.
    named = [] if user is None else [f"--user={user}"]
    subprocess.run(
        [
            install, "--no-defaults", *named, f"--datadir={data}",
            "--auth-root-authentication-method=normal", "--skip-test-db",
        ],
        check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
    )  # fmt: skip
    with log.open("wb") as output:
        server = subprocess.Popen(
            [
                _SERVER, "--no-defaults", *named, f"--datadir={data}", f"--port={port}",
                "--bind-address=127.0.0.1", f"--socket={folder}/socket",
                f"--pid-file={folder}/pid", "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=64M",
            ],
            stdout=output, stderr=subprocess.STDOUT, cwd=folder,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )  # fmt: skip
    try:
        url = f"mysql+pymysql://root@127.0.0.1:{port}/mysql"
        _wait_for(url, server, log)
        yield url
    finally:
        server.kill()
        server.wait()


def _wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            with engine.connect():
                return
        except sa.exc.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"MariaDB did not start: {log.read_text()}") from None
            time.sleep(0.1)


@contextmanager
def fresh_schema(server_url: str) -> Iterator[str]:
    """
    Yield the URL of a new database on the server, and drop it in the end.
    """
    name = f"test_{uuid4().hex}"
    engine = sa.create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        yield server_url.rpartition("/")[0] + f"/{name}"
        connection.exec_driver_sql(f"DROP DATABASE {name}")
    engine.dispose()
