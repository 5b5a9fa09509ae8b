"""
An explorer of interleavings: actors that share a database take turns, one statement at a time.

Each actor is a thread with a connection of its own. Its driver's cursor stops before every
statement, and SQLAlchemy before every COMMIT and ROLLBACK, until the explorer lets that actor
alone go on. The explorer goes through all orders depth first: it replays the choices made so far
on a fresh copy of the rows, and takes the next choice that is left.

Which actor waits for a lock is asked of the database. See :mod:`explorer_databases`.

With ``reduce=True`` an execution ends where it comes to a state that was met before: the same
rows, and each actor at the same statement, having read and written the same. What can follow is
then the same as well. Transaction numbers and positions are compared as they stand to each other.
"""

import hashlib
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import NamedTuple

GLANCE_SECONDS = 0.002
"""How long an actor may be silent before the database is asked whether it waits for a lock."""
PATIENCE_SECONDS = 60

_this = threading.local()


class Abandoned(Exception):
    """
    Ends an actor in the middle of its work, because what follows has been explored.
    """


class Finding(AssertionError):
    """
    A property that does not hold, with the interleaving that shows it.
    """


class Step(NamedTuple):
    """
    One statement of one actor.
    """

    actor: str
    text: str
    result: str = ""
    """How many rows it was about; or that the actor waits, or what the database raised."""


class Actor:
    """
    A thread that does one piece of work in each execution, and a connection of its own.
    """

    def __init__(self, name, work, arrivals):
        self.name, self.work = name, work
        self.store = None
        self.connection_id = None
        self._arrivals = arrivals
        self._go, self._start = threading.Lock(), SimpleQueue()
        self._go.acquire()
        self.thread = threading.Thread(target=self._live, name=name, daemon=True)
        self.clear(None)
        self.thread.start()

    @property
    def database(self):
        """
        The database of the exploration.
        """
        return self.world.database

    def clear(self, world):
        """
        Forget what was done in the execution before.
        """
        self.world = world
        self.at = None
        """The statement that it is about to send; None while it runs, and at the end."""
        self.done = self.refused = self.holds = self.abandoned = self.inside = False
        self.read = hashlib.blake2b(digest_size=16)
        self.count = 0
        self.told, self.error = [], None
        self.pages, self.cursor, self.read_on = [], None, None
        """What it read of the feed, and how far."""

    def _live(self):
        _this.actor = self
        while self._start.get():
            try:
                self.gate("begin")
                self.work(self)
            except Abandoned:
                pass
            except BaseException as error:  # noqa: BLE001  the test is to see it
                self.error = error
            self.at, self.done = None, True
            self._arrivals.put((self, None))

    def start(self):
        """
        Begin with the work, and stop before the first statement of it.
        """
        self._start.put("go")

    def stop(self):
        """
        End the thread.
        """
        self._start.put(None)

    def gate(self, text):
        """
        Wait until it is this actor's turn.
        """
        if self.abandoned:
            raise Abandoned
        self.at = text
        self._arrivals.put((self, text))
        self._go.acquire()
        if self.abandoned and text not in {"COMMIT", "ROLLBACK"}:
            raise Abandoned

    def go(self):
        """
        Let this actor go on to its next statement.
        """
        self.at = None
        self._go.release()

    def note(self, what):
        """
        Remember what the actor has learned.
        """
        self.read.update(self.world.normal(repr(what)).encode())

    def tell(self, trigger, verdict, token=None):
        """
        Keep the verdict on an operation, on which alone this actor's next steps depend.
        """
        self.told.append((trigger, verdict, token))
        self.forget(self.told)

    def forget(self, *known):
        """
        Forget what was read: of an operation that is over, what follows depends on *known* alone.
        """
        self.read = hashlib.blake2b(digest_size=16)
        self.note(known)


class World:
    """
    What is known of one execution.
    """

    def __init__(self, database):
        self.database = database
        self.steps = []
        self.lines = self.transactions = 0
        self.committed = True
        """Whether something was committed since the rows were read last."""

    def order_of(self, actor, statement):
        """
        Return what the place of a write among all writes decides and no column shows yet.

        That is the position of a line, and on PostgreSQL the transaction's number and snapshot.
        """
        adds = "INSERT INTO runstate_journal" in statement
        self.lines += adds
        self.transactions += not actor.holds
        order = [self.lines] if adds else []
        if self.database.has_snapshots:
            order += [self.transactions, [each.name for each in self.actors if each.holds]]

        return order

    def normal(self, text):
        """
        Return *text* with numbers that differ from execution to execution made the same.
        """
        return self.database.normal(text)


def gated_cursor(base, database):
    """
    Return a class of cursors that stop before each statement of an actor, and note what they read.
    """

    class Gated(base):
        def execute(self, statement, *args, **options):
            return _gated(self, statement, super().execute, database, args, options)

        def executemany(self, statement, *args, **options):
            return _gated(self, statement, super().executemany, database, args, options)

        def fetchall(self):
            return _noted(super().fetchall())

        def fetchone(self):
            return _noted(super().fetchone())

        def fetchmany(self, *args):
            return _noted(super().fetchmany(*args))

    return Gated


def _noted(rows):
    actor = getattr(_this, "actor", None)
    if actor is not None and not actor.inside:
        actor.note(rows)

    return rows


def _gated(cursor, statement, execute, database, args, options):
    actor = getattr(_this, "actor", None)
    if actor is None or actor.inside or database.is_setting(statement):
        return execute(statement, *args, **options)
    actor.connection_id = database.connection_id(cursor)
    actor.gate(statement)
    world, step = actor.world, len(actor.world.steps) - 1
    statement = database.rewritten(actor, statement)
    actor.inside = True
    try:
        answer = execute(statement, *args, **options)
    except BaseException as error:
        actor.refused = database.is_refusal(error)
        world.steps[step] = world.steps[step]._replace(result=type(error).__name__)
        actor.note(type(error).__name__)
        raise
    finally:
        actor.inside = False
    actor.refused = False
    world.steps[step] = world.steps[step]._replace(result=database.counted(cursor))
    actor.note((statement, cursor.rowcount))
    if database.holds(statement, cursor):
        actor.note(world.order_of(actor, statement))
        if database.is_automatic(cursor):
            world.committed = True
        else:
            actor.holds = True
    if statement in {"COMMIT", "ROLLBACK"}:
        _ended(actor)

    return answer


def ending(text):
    """
    Return a listener that stops an actor before the end of its transaction.

    One that wrote and locked nothing ends together with its last statement: no other actor
    can tell.
    """

    def end(connection):
        actor = getattr(_this, "actor", None)
        if actor is None or actor.abandoned:
            return
        if actor.holds or actor.database.reads_lock:
            actor.gate(text)
            actor.note(text)
            # The driver does it between here and the next gate.
            _ended(actor)

    return end


def _ended(actor):
    actor.holds, actor.world.committed = False, True


class Report(NamedTuple):
    """
    What an exploration came to.
    """

    executions: int
    """Interleavings that were run, to their end or to a state that was met before."""
    complete: int
    """Those that were run to their end, each of which was checked."""
    steps: int
    states: int
    """Different states, where executions are reduced."""
    longest: dict[str, int]
    """By actor, the most statements that it said in one execution."""
    outcomes: frozenset
    waits: int
    """How often an actor waited for a lock, or was refused one."""

    def __str__(self):
        pruned = self.executions - self.complete
        reduced = f", {self.states} states, {pruned} branches pruned" if self.states else ""
        said = ", ".join(f"{name} {n}" for name, n in self.longest.items())

        return (
            f"{self.executions} executions{reduced}, {self.steps} statements (at most {said}), "
            f"{self.waits} waits for a lock, {len(self.outcomes)} outcomes"
        )


class _Choice:
    """
    The actors that could go on at one point, and the one that is tried.
    """

    def __init__(self, options):
        self.options, self.index = options, 0


class Explorer:
    """
    All interleavings of some actors on one database.
    """

    def __init__(self, database, works, *, check, outcome, reduce=False, switches=None):
        """
        Take the *works* by the names of their actors, each a function of its :class:`Actor`.

        *check* is called with the database and the actors at each state that was committed, and
        *outcome* at the end of each execution; both raise what is wrong. With *switches*, an
        actor that could go on is left for another one so many times at most.
        """
        self._database, self._check, self._outcome = database, check, outcome
        self._reduce, self._switches = reduce, switches
        self._arrivals = SimpleQueue()
        self._actors = [Actor(name, work, self._arrivals) for name, work in works.items()]
        for actor in self._actors:
            actor.store = database.open(actor.name)
        self._seen = set()
        self._outcomes = set()
        self._executions = self._complete = self._steps = self._waits = 0
        self._longest = dict.fromkeys(works, 0)

    def run(self):
        """
        Go through all interleavings, and return what was met.

        Raises:
            Finding: Something is wrong; its text has the interleaving.
        """
        path = []
        try:
            while True:
                self._execute(path)
                while path and path[-1].index + 1 == len(path[-1].options):
                    path.pop()
                if not path:
                    break
                path[-1].index += 1
        except BaseException:
            self._abandon()
            raise
        finally:
            for actor in self._actors:
                actor.stop()
                actor.thread.join(PATIENCE_SECONDS)

        return Report(
            self._executions, self._complete, self._steps, len(self._seen), self._longest,
            frozenset(self._outcomes), self._waits,
        )  # fmt: skip

    def _execute(self, path):
        """
        Replay *path*, and go on from there with the first choices that are left, adding them.
        """
        self._begin()
        depth, latest, switches = 0, None, 0
        while True:
            ready = self._ready()
            if not ready:
                break
            # First the one whose turn it is, so that the first order has the fewest switches.
            ready.sort(key=lambda actor: actor is not latest)
            if self._switches is not None and latest in ready and switches >= self._switches:
                ready = [latest]
            if self._reduce:
                ready = [a for a in ready if self._database.is_private(a)][:1] or ready
            if depth == len(path):
                if self._reduce and len(ready) > 1 and not self._is_new():
                    break
                path.append(_Choice([actor.name for actor in ready]))
            choice = path[depth]
            wanted = choice.options[choice.index]
            chosen = next(actor for actor in self._actors if actor.name == wanted)
            held_up = chosen in self._running
            if chosen not in ready and not (held_up and self._is_ready_at_last(chosen)):
                self._raise_errors()
                state = "waits" if held_up else "has ended" if chosen.done else f"is at {chosen.at}"
                raise AssertionError(f"the replay differs: {wanted} {state}\n{self._told()}")
            switches += latest in ready and chosen is not latest
            self._step(chosen)
            latest, depth = chosen, depth + 1
            if self._world.committed and depth >= len(path):
                self._judge(self._check)
        self._end()

    def _begin(self):
        self._database.reset()
        self._world = world = World(self._database)
        world.actors = self._actors
        self._blocked = []
        for actor in self._actors:
            actor.clear(world)
            actor.start()
        self._running = set(self._actors)
        self._settle()
        for actor in self._actors:
            # To the first statement: what comes before it concerns nobody.
            self._running.add(actor)
            actor.go()
            self._settle()

    def _ready(self):
        while True:
            ready = [actor for actor in self._actors if actor.at and not self._must_wait(actor)]
            if ready or all(actor.done for actor in self._actors):
                return ready
            # All wait for each other: the database will break one off.
            self._settle(anyone=True)

    def _is_ready_at_last(self, actor):
        """
        Wait until *actor* is ready, as it was in an earlier execution of the same steps.

        The database may hold it up for work of its own, such as removing deleted rows.
        """
        until = time.monotonic() + PATIENCE_SECONDS / 6
        while actor in self._running and time.monotonic() < until:
            with suppress(Empty):
                self._arrived(self._arrivals.get(timeout=GLANCE_SECONDS)[0])

        return actor.at and not self._must_wait(actor)

    def _arrived(self, actor):
        self._running.discard(actor)
        if actor in self._blocked:
            self._blocked.remove(actor)

    def _must_wait(self, actor):
        held = actor.refused or (self._reduce and self._database.is_lock(actor.at))

        return held and not self._database.is_free()

    def _step(self, actor):
        self._world.steps.append(Step(actor.name, actor.at))
        self._steps += 1
        self._running.add(actor)
        actor.count += 1
        actor.go()
        self._settle()
        self._waits += actor.refused or actor in self._blocked

    def _settle(self, *, anyone=False):
        """
        Wait until every actor is about to send a statement, waits for a lock, or has ended.
        """
        until = time.monotonic() + PATIENCE_SECONDS
        looked = False
        while True:
            moving = self._running.difference(self._blocked)
            if not moving and not anyone and (looked or not self._blocked):
                return
            try:
                actor, _ = self._arrivals.get(timeout=GLANCE_SECONDS if moving or anyone else 0)
            except Empty:
                waiting = self._database.waiting() if self._database.waits else ()
                before = set(self._blocked)
                still = [a for a in self._running if a.connection_id in waiting]
                order = [a for a in self._blocked if a in still]
                self._blocked = order + [a for a in still if a not in before]
                looked = True
                assert time.monotonic() < until, f"the actors hang\n{self._told()}"
                continue
            looked = anyone = False
            self._arrived(actor)

    def _is_new(self):
        """
        Return whether no execution was in this state before, and remember it.
        """
        key = hashlib.blake2b(digest_size=16)
        key.update(self._world.normal(repr(self._database.content())).encode())
        for actor in self._actors:
            state = actor.done, actor.holds, actor.refused, actor.at, actor.read.digest()
            key.update(repr(state).encode())
        key.update(repr([actor.name for actor in self._blocked]).encode())
        found = key.digest()
        if found in self._seen:
            return False
        self._seen.add(found)

        return True

    def _judge(self, judge):
        try:
            self._raise_errors()
            self._world.committed = False
            return judge(self._database, self._actors)
        except AssertionError as wrong:
            raise Finding(f"{str(wrong).splitlines()[0]}\n{self._told()}") from wrong

    def _raise_errors(self):
        for actor in self._actors:
            if actor.error is not None:
                raise AssertionError(f"{actor.name} raised {actor.error!r}") from actor.error

    def _end(self):
        self._executions += 1
        for actor in self._actors:
            self._longest[actor.name] = max(self._longest[actor.name], actor.count)
        if all(actor.done for actor in self._actors):
            self._complete += 1
            self._outcomes.add(self._judge(self._outcome))
        else:
            self._abandon()

    def _abandon(self):
        for actor in self._actors:
            actor.abandoned = True
        left = {actor for actor in self._actors if actor in self._running or not actor.done}
        for actor in left:
            if actor.at is not None:
                actor.go()
        while left:
            actor, at = self._arrivals.get(timeout=PATIENCE_SECONDS)
            if at is None:
                left.discard(actor)
            else:
                actor.go()

    def _told(self):
        """
        Return the interleaving in lines, each actor in a column of its own.
        """
        columns = {actor.name: n for n, actor in enumerate(self._actors)}

        return "\n".join(
            f"{'':{16 * columns[step.actor]}}{step.actor}: {self._database.short(step.text)}"
            f"{step.result and f', {step.result}'}"
            for step in self._world.steps
        )
