"""
A store in one file of the standard library's SQLite: the reference that broken ones are made from.

It is right twice over, by a lock and by a version, so that each can be taken away.
"""

import json
import sqlite3
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

from runstate import RUN
from runstate.testing import CAPABILITIES

LIMITS = {"in_progress": 300.0, "requires_action": 120.0, "cancelling": 60.0}
ENDS = {"cancelling": "confirm_cancel"}
WORKED = {"in_progress", "cancelling"}

SCHEMA = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, status TEXT, version INTEGER, last_trigger TEXT, moved_at REAL,
    deadline_at REAL, lease_token INTEGER DEFAULT 0, lease_until REAL, fields TEXT
);
CREATE TABLE journal (
    position INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT, kind TEXT, seq INTEGER,
    "trigger" TEXT, source TEXT, target TEXT, at REAL, key TEXT
);
CREATE TABLE clock (now REAL);
INSERT INTO clock VALUES (1700000000);
"""

COLUMNS = ("run_id", "kind", "seq", "trigger", "source", "target", "at", "key")
STATE = (
    "status", "version", "last_trigger", "moved_at", "deadline_at", "lease_token", "lease_until",
    "fields",
)  # fmt: skip


class Answer(NamedTuple):
    """
    Whether the run was moved; where it is, and by what it came there.
    """

    ok: bool
    status: str | None = None
    by: str | None = None


class Line(NamedTuple):
    """
    A line of the journal.
    """

    position: int
    run_id: str
    kind: str
    seq: int | None
    trigger: str | None
    source: str | None
    target: str | None
    at: float
    key: str | None


class Page(NamedTuple):
    """
    Some of the feed.
    """

    items: list
    cursor: Any


class Taken(NamedTuple):
    """
    A lease.
    """

    run_id: str
    token: int
    seconds: float


class Beat(NamedTuple):
    """
    Answer to a heartbeat.
    """

    ok: bool
    cancel_requested: bool = False


class Swept(NamedTuple):
    """
    A run that was ended by a sweep.
    """

    run_id: str


class Outrun(Exception):
    """
    Raised when the run is not as it was read.
    """


class TinyStore:
    """
    Does everything that the suite asks for.
    """

    capabilities = frozenset(CAPABILITIES)
    limits = LIMITS
    locked = True
    """Whether an operation is one transaction, under the write lock from its first read on."""
    numbers = count(1)

    def __init__(self, path, family=None):
        self.path, self.hooks, self.callbacks, self.pending = path, [], [], []
        self.within = False
        self.db = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
        self.db.row_factory = sqlite3.Row
        self.db.execute("PRAGMA synchronous=OFF")
        self.family = [] if family is None else family
        self.family.append(self)
        if family is None:
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.executescript(SCHEMA)

    def close(self):
        """
        Close this store and its peers.
        """
        for each in self.family:
            each.db.close()

    # -- statements ----------------------------------------------------------------

    def say(self, sql, **given):
        """
        Execute a statement, and return its rows.
        """
        for hook in self.hooks:
            hook()

        return self.db.execute(sql, given).fetchall()

    @contextmanager
    def work(self):
        """
        All or nothing, before anybody else or after.
        """
        if self.within or not self.locked:
            yield
        else:
            self.say("BEGIN IMMEDIATE")
            try:
                yield
                self.say("COMMIT")
            except BaseException:
                self.rollback()
                raise
        if not self.within:
            self.tell()

    def rollback(self):
        """
        Undo what was not committed, and what would have been told of it.
        """
        self.pending.clear()
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    def tell(self):
        """
        Tell of the moves that were made.
        """
        pending, self.pending = self.pending, []
        for run_id, target in pending:
            for callback in self.callbacks:
                callback(run_id, target)

    def read(self, run_id):
        """
        Return the run, with the time.
        """
        rows = self.say("SELECT *, (SELECT now FROM clock) AS now FROM runs WHERE id = :id",
                        id=run_id)  # fmt: skip
        if not rows:
            raise LookupError(run_id)

        return dict(rows[0])

    def write(self, run, new):
        """
        Set what the run is now, if it is still as it was read; return whether it was.
        """
        sets = ", ".join(f"{name} = :{name}" for name in STATE)
        rows = self.say(
            f"UPDATE runs SET {sets} WHERE id = :id AND {self.guard} RETURNING id",  # noqa: S608
            id=run["id"], was=run["version"], source=run["status"], **new,
        )  # fmt: skip

        return bool(rows)

    guard = "version = :was"

    def enter(self, **line):
        """
        Add a line to the journal.
        """
        names = ", ".join(f'"{name}"' for name in COLUMNS)
        values = ", ".join(f":{name}" for name in COLUMNS)
        self.say(f"INSERT INTO journal ({names}) VALUES ({values})",  # noqa: S608
                 **{**dict.fromkeys(COLUMNS), "kind": "move", **line})  # fmt: skip

    # -- runs ------------------------------------------------------------------------

    def create(self):
        """See the protocol."""
        run_id = f"run_{next(self.numbers)}"
        with self.work():
            (now,) = self.say("SELECT now FROM clock")[0]
            fields = dict.fromkeys(RUN.fields) | {"created_at": now, "expires_at": now + 100_000}
            self.say(
                "INSERT INTO runs (id, status, version, last_trigger, moved_at, fields) "
                "VALUES (:id, 'queued', 1, 'create', :now, :fields)",
                id=run_id, now=now, fields=json.dumps(fields),
            )  # fmt: skip
            self.enter(run_id=run_id, seq=1, trigger="create", target="queued", at=now)
            self.pending.append((run_id, "queued"))

        return run_id

    def status(self, run_id):
        """See the protocol."""
        return self.read(run_id)["status"]

    def fields(self, run_id):
        """See the protocol."""
        run = self.read(run_id)

        return json.loads(run["fields"]) | {"status": run["status"]}

    def history(self, run_id):
        """See the protocol."""
        rows = self.say("SELECT * FROM journal WHERE run_id = :id ORDER BY position", id=run_id)

        return [Line(*row) for row in rows]

    def moves(self, *, after=None, limit=100):
        """See the protocol."""
        rows = self.say(
            "SELECT * FROM journal WHERE kind = 'move' AND position > :after "
            "ORDER BY position LIMIT :limit",
            after=after or 0, limit=limit,
        )  # fmt: skip
        lines = [Line(*row) for row in rows]

        return Page(lines, lines[-1].position if lines else after)

    # -- moves -----------------------------------------------------------------------

    def fire(self, run_id, trigger, *, key=None, token=None, **payload):
        """See the protocol."""
        self.judge(trigger, payload)
        while True:
            try:
                with self.work():
                    run = self.read(run_id)
                    answer = self.refusal(run, trigger, key, token)
                    return answer or self.move(run, trigger, payload, key)
            except Outrun:
                continue

    def judge(self, trigger, payload):
        """
        Raise if there is no such trigger, or it needs more.
        """
        if trigger not in RUN.triggers:
            raise ValueError(trigger)
        target = next(row.target for row in RUN if row.trigger == trigger)
        missing = set(RUN.entry(target).requires) - payload.keys()
        if missing:
            raise ValueError(missing)

    def row(self, trigger, status):
        """
        Return the row of the table, None if there is none.
        """
        return RUN.row(trigger, status)

    def refusal(self, run, trigger, key, token):
        """
        Return the answer if nothing is to be moved.
        """
        if key is not None and self.known(run, key):
            return Answer(ok=True)
        ended = RUN.is_terminal(run["status"])
        if token is not None and not self.may_write(run, token, ended):
            return self.refused(run, trigger)
        if self.row(trigger, run["status"]) is not None:
            return None
        if ended:
            self.keep_late(run, trigger)

        return self.refused(run, trigger)

    def refused(self, run, trigger):
        """
        Return the answer to a loser.
        """
        return Answer(ok=False, status=run["status"], by=run["last_trigger"])

    def known(self, run, key):
        """
        Return whether the run was moved under *key*.
        """
        return self.say(
            "SELECT 1 FROM journal WHERE run_id = :id AND key = :key", id=run["id"], key=key
        )

    def may_write(self, run, token, ended):
        """
        Return whether *token* is that of the worker that has the run.
        """
        return token == run["lease_token"] and (ended or self.held(run))

    def held(self, run):
        """
        Return whether some worker has the run.
        """
        return run["lease_until"] is not None and run["lease_until"] > run["now"]

    def keep_late(self, run, trigger):
        """
        Keep what came after the end, if it is an outcome.
        """
        if any(RUN.is_terminal(row.target) for row in RUN if row.trigger == trigger):
            self.enter(run_id=run["id"], kind="late", trigger=trigger, source=run["status"],
                       at=self.time(run))  # fmt: skip

    def time(self, run):
        """
        Return the time of a move now.
        """
        return max(run["now"], run["moved_at"])

    def move(self, run, trigger, payload, key=None, **more):
        """
        Move the run, write it down, and remember to tell.
        """
        row, at = self.row(trigger, run["status"]), self.time(run)
        new = self.entered(run, row, payload, at) | more
        if not self.write(run, new):
            raise Outrun
        self.enter(run_id=run["id"], seq=new["version"], trigger=trigger, source=run["status"],
                   target=row.target, at=at, key=key)  # fmt: skip
        self.pending.append((run["id"], str(row.target)))

        return Answer(ok=True)

    def entered(self, run, row, payload, at):
        """
        Return what the run is after *row*.
        """
        limit = self.limits.get(row.target)

        return {
            "status": str(row.target),
            "version": run["version"] + 1,
            "last_trigger": str(row.trigger),
            "moved_at": at,
            "deadline_at": None if limit is None else at + limit,
            "lease_token": run["lease_token"],
            "lease_until": run["lease_until"] if row.target in WORKED else None,
            "fields": json.dumps(self.changed(json.loads(run["fields"]), row, payload, at)),
        }

    def changed(self, fields, row, payload, at):
        """
        Return what the run holds after *row*.
        """
        entry = RUN.entry(row.target)
        taken = {n: payload[n] for n in (*entry.requires, *entry.accepts) if n in payload}

        return fields | dict.fromkeys(entry.clears) | dict.fromkeys(entry.stamps, int(at)) | taken

    # -- leases ------------------------------------------------------------------------

    def claim(self, worker, seconds):
        """See the protocol."""
        with self.work():
            rows = self.say(
                f"SELECT id FROM runs WHERE {self.claimable} "  # noqa: S608
                "ORDER BY lease_until IS NULL, rowid LIMIT 1"
            )
            if not rows:
                return None
            return self.take(self.read(rows[0][0]), seconds)

    claimable = "status = 'queued' OR lease_until <= (SELECT now FROM clock)"

    def take(self, run, seconds):
        """
        Give *run* to a worker.
        """
        lease = {"lease_token": run["lease_token"] + 1, "lease_until": run["now"] + seconds}
        if run["status"] == "queued":
            self.move(run, "start", {}, **lease)
        else:
            self.write(run, {name: run[name] for name in STATE} | lease)
            self.enter(run_id=run["id"], kind="claim", at=self.time(run))

        return Taken(run["id"], lease["lease_token"], seconds)

    holds = "lease_token = :token AND lease_until > (SELECT now FROM clock)"

    def heartbeat(self, lease):
        """See the protocol."""
        rows = self.say(
            "UPDATE runs SET lease_until = (SELECT now FROM clock) + :seconds "  # noqa: S608
            f"WHERE id = :id AND {self.holds} RETURNING status",
            id=lease.run_id, token=lease.token, seconds=lease.seconds,
        )  # fmt: skip

        return Beat(bool(rows), bool(rows) and rows[0][0] == "cancelling")

    def release(self, lease):
        """See the protocol."""
        rows = self.say(
            "UPDATE runs SET lease_until = (SELECT now FROM clock) "  # noqa: S608
            f"WHERE id = :id AND {self.holds} RETURNING id",
            id=lease.run_id, token=lease.token,
        )  # fmt: skip

        return bool(rows)

    # -- sweep -------------------------------------------------------------------------

    overdue = "deadline_at <= (SELECT now FROM clock)"

    def due(self):
        """
        Return the runs that are overdue.
        """
        rows = self.say(f"SELECT *, (SELECT now FROM clock) AS now FROM runs WHERE {self.overdue}")  # noqa: S608

        return [dict(row) for row in rows]

    def sweep(self):
        """See the protocol."""
        with self.work():
            return [Swept(run["id"]) for run in self.due() if self.end(run)]

    def end(self, run):
        """
        End an overdue run, unless it has moved on.
        """
        try:
            return self.move(run, ENDS.get(run["status"], "expire"), {}).ok
        except Outrun:
            return False

    # -- what the suite needs ------------------------------------------------------------

    def peer(self):
        """See the protocol."""
        return type(self)(self.path, self.family)

    def advance(self, seconds):
        """See the protocol."""
        db = sqlite3.connect(self.path, timeout=30)
        with db:
            db.execute("UPDATE clock SET now = now + ?", [seconds])
        db.close()

    @contextmanager
    def statements(self, hook):
        """See the protocol."""
        self.hooks.append(hook)
        try:
            yield
        finally:
            self.hooks.remove(hook)

    @contextmanager
    def transaction(self):
        """See the protocol."""
        self.say("BEGIN IMMEDIATE")
        self.within = True
        try:
            yield self
            self.say("COMMIT")
        except BaseException:
            self.rollback()
            raise
        finally:
            self.within = False
        self.tell()

    def on_move(self, callback):
        """See the protocol."""
        self.callbacks.append(callback)
