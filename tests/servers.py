"""
Servers that a test may stop, kill, copy and promote: PostgreSQL, its standby, and PgBouncer.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import databases

_WAIT_SECONDS = 60.0


def missing(what: str) -> Any:
    """
    Skip the test loudly because a program that it needs is missing; under CI, fail.
    """
    if os.environ.get("CI"):
        pytest.fail(f"CI needs {what}: see .ci/run")
    pytest.skip(f"NO {what.upper()} on this machine: NOT tested")


class Server:
    """
    A PostgreSQL cluster in a folder of its own, which can be started again.
    """

    def __init__(self, installed: Path, folder: Path, name: str, user: str | None) -> None:
        self.installed, self.folder, self.user = installed, folder, user
        self.data, self.log = folder / name, folder / f"{name}.log"
        self.port = databases._free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """
        The URL of its database ``postgres``.
        """
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: object) -> None:
        """
        Run one of PostgreSQL's programs as the user of the server.
        """
        subprocess.run(
            [str(self.installed / "bin" / program), *map(str, arguments)],
            check=True, cwd=self.folder, user=self.user, capture_output=True,
        )  # fmt: skip

    def start(self, **settings: object) -> None:
        """
        Start, or start again, with *settings* beside the defaults.
        """
        known = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 60,
            "fsync": "off",
            "wal_level": "replica",
            **settings,
        }
        options = [part for name, value in known.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [self.installed / "bin" / "postgres", "-D", self.data, *options],
                stdout=output, stderr=subprocess.STDOUT, user=self.user, cwd=self.folder,
                preexec_fn=databases._end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
            )  # fmt: skip
        databases._wait_for(self.port, self.process, self.log)

    def stop(self, how: int = signal.SIGINT) -> None:
        """
        End the server: in order, or at once with SIGQUIT, which is a crash.
        """
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def standby(self) -> "Server":
        """
        Return a hot standby that streams from this server; it is not started yet.
        """
        copy = Server(self.installed, self.folder, f"{self.data.name}-standby", self.user)
        source = f"host=127.0.0.1 port={self.port} user=postgres"
        self.run("pg_basebackup", "-D", copy.data, "-R", "-X", "stream", "-c", "fast", "-d", source)

        return copy

    def promote(self) -> None:
        """
        Make a standby the primary.
        """
        self.say("SELECT pg_promote(true, 60)")

    def say(self, statement: str) -> Any:
        """
        Execute a statement outside of a transaction, and return its single value.
        """
        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            answer = connection.exec_driver_sql(statement)

            return answer.scalar() if answer.returns_rows else None


def caught_up(primary: Server, standby: Server) -> None:
    """
    Wait until the standby has replayed what the primary has written.
    """
    written = primary.say("SELECT pg_current_wal_insert_lsn()")
    until = time.monotonic() + _WAIT_SECONDS
    while not standby.say(f"SELECT pg_last_wal_replay_lsn() >= '{written}'"):
        assert time.monotonic() < until, "the standby does not catch up"
        time.sleep(0.05)


@contextmanager
def cluster() -> Iterator[Server]:
    """
    Yield a PostgreSQL of this test's own, started; skip where there is none.
    """
    installed = databases._from_the_wheel() or databases._from_the_system()
    if installed is None:
        missing("PostgreSQL")
    folder = Path(tempfile.mkdtemp(prefix="runstate-cluster-"))
    started: list[Server] = []
    try:
        user = "nobody" if os.getuid() == 0 else None
        if user is not None:
            if "site-packages" in str(installed):
                installed = databases._copied(installed, folder)
            folder.chmod(0o755)
            shutil.chown(folder, user)
        server = Server(installed, folder, "data", user)
        server.run("initdb", "-D", server.data, "-A", "trust", "-U", "postgres", "-E", "UTF8")
        started.append(server)
        server.start()
        yield server
    finally:
        for each in started:
            each.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(server: Server, **settings: object) -> Iterator[Server]:
    """
    Start *server*, and stop it in the end.
    """
    server.start(**settings)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def pgbouncer(url: str, mode: str = "transaction", size: int = 3) -> Iterator[str]:
    """
    Yield the URL of *url*'s database through a PgBouncer; skip where there is none.
    """
    program = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if program is None:
        missing("PgBouncer")
    server = sa.make_url(url)
    folder, port = Path(tempfile.mkdtemp(prefix="runstate-bouncer-")), databases._free_port()
    user = "nobody" if os.getuid() == 0 else None
    _write_settings(
        folder / "pgbouncer.ini",
        {"*": f"host={server.host} port={server.port} user={server.username}"},
        {
            "listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "",
            "auth_type": "any", "pool_mode": mode, "default_pool_size": size,
            "max_client_conn": 200, "logfile": folder / "log",
        },
    )  # fmt: skip
    if user is not None:
        shutil.chown(folder, user)
    process = subprocess.Popen(
        [program, "-q", str(folder / "pgbouncer.ini")],
        user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=databases._end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
    )  # fmt: skip
    try:
        databases._wait_for(port, process, folder / "log")
        yield server.set(port=port).render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _write_settings(file: Path, servers: Mapping[str, str], settings: Mapping[str, object]) -> None:
    lines = ["[databases]", *(f"{name} = {where}" for name, where in servers.items())]
    lines += ["[pgbouncer]", *(f"{name} = {value}" for name, value in settings.items())]
    file.write_text("\n".join(lines) + "\n")
