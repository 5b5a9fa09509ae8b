"""
Stores that are broken as real ones were, each in one thing, with the check that must catch it.

They are what the suite is measured by: a check that no broken store fails proves nothing.
"""

import time
from contextlib import contextmanager, suppress
from itertools import count
from typing import NamedTuple

from runstate import RUN, Transition
from tiny_store import STATE, Answer, Beat, Line, Page, Swept, Taken, TinyStore

BROKEN = []


class Broken(NamedTuple):
    """
    A store that is broken.
    """

    like: str
    """Where that was seen; or what the mistake is called."""
    check: str
    """The check that catches it."""
    store: type[TinyStore]


def broken(like, check):
    """
    Register a store as broken, like one that is known.
    """

    def register(store):
        BROKEN.append(Broken(like, check, store))

        return store

    return register


def any_row(trigger, status):
    """
    Return the move of *trigger*, wherever it is made from.
    """
    target = next(row.target for row in RUN if row.trigger == trigger)

    return RUN.row(trigger, status) or Transition(trigger, status, target)


# -- which moves there are ---------------------------------------------------------------

ABSORBING = "ended_runs_stay_as_they_are"
ONE_WINNER = "one_winner_between_any_statements"
ALL_OR_NOTHING = "move_is_all_or_nothing"
FIELDS = "stamps_and_details_are_as_the_table_says"


@broken("dagster#34175: a late worker turns CANCELED into SUCCESS", ABSORBING)
class Unconditional(TinyStore):
    """
    Whatever event comes sets the status.
    """

    def row(self, trigger, status):
        """Allow everything."""
        return any_row(trigger, status)


@broken("prefect#23025: a SIGTERM turns Completed into Crashed", ABSORBING)
class CrashesAlways(TinyStore):
    """
    A crash is always believed.
    """

    def row(self, trigger, status):
        """Allow a failure from everywhere."""
        return any_row(trigger, status) if trigger == "fail" else RUN.row(trigger, status)


@broken("aegra: cancel of a run that succeeded makes it interrupted", ABSORBING)
class CancelsAtOnce(TinyStore):
    """
    A cancel sets the end, from everywhere.
    """

    def row(self, trigger, status):
        """Lead every cancel to the end."""
        if trigger == "request_cancel":
            return Transition(trigger, status, "cancelled")

        return RUN.row(trigger, status)


@broken("OpenOpenAI: cancelRun sets cancelling, also after the end", ABSORBING)
class CancelsAlways(TinyStore):
    """
    A cancel is always granted.
    """

    def row(self, trigger, status):
        """Allow a cancel from everywhere."""
        return any_row(trigger, status) if trigger == "request_cancel" else RUN.row(trigger, status)


@broken("celery: only SUCCESS is kept from later writes", ABSORBING)
class OnlySuccessStays(TinyStore):
    """
    One end is final, the others are not.
    """

    def row(self, trigger, status):
        """Allow everything but after a success."""
        return None if status == "completed" else any_row(trigger, status)


@broken("ray: a terminal status is asserted, not answered", ABSORBING)
class Asserts(TinyStore):
    """
    Who comes too late gets an AssertionError, or nothing at all under -O.
    """

    def refused(self, run, trigger):
        """Assert."""
        raise AssertionError("attempted to change job status from a terminal state")


@broken(
    "terminal check alone: whatever is not ended may be anything", "every_other_trigger_is_refused"
)
class TerminalCheckOnly(TinyStore):
    """
    The table is not asked, only whether the run has ended.
    """

    def row(self, trigger, status):
        """Allow everything before the end."""
        return None if RUN.is_terminal(status) else any_row(trigger, status)


@broken("open-assistant-api: cancel is granted from in_progress only", "every_row_is_a_move")
class CancelsSeldom(TinyStore):
    """
    A list of allowed sources, typed by hand, lacks some.
    """

    def row(self, trigger, status):
        """Leave rows out."""
        if trigger == "request_cancel" and status != "in_progress":
            return None

        return RUN.row(trigger, status)


@broken("a refusal is written down as if it were a move", "every_other_trigger_is_refused")
class RefusalsAreMoves(TinyStore):
    """
    The journal has a move for every attempt.
    """

    def refused(self, run, trigger):
        """Write down, and refuse."""
        self.enter(run_id=run["id"], seq=run["version"] + 1, trigger=trigger,
                   source=run["status"], target=run["status"], at=run["now"])  # fmt: skip

        return super().refused(run, trigger)


@broken("procrastinate: what is unknown is silently dropped", "unknown_trigger_raises")
class SwallowsUnknown(TinyStore):
    """
    A misspelt trigger is answered no.
    """

    def fire(self, run_id, trigger, **options):
        """Answer no."""
        if trigger not in RUN.triggers:
            return Answer(ok=False, status=self.status(run_id))

        return super().fire(run_id, trigger, **options)


@broken("an UPDATE of no row is a success", "unknown_run_raises")
class MovesNothing(TinyStore):
    """
    A run that does not exist is moved with success.
    """

    def fire(self, run_id, trigger, **options):
        """Answer yes."""
        try:
            return super().fire(run_id, trigger, **options)
        except LookupError:
            return Answer(ok=True)


@broken("a run fails without an error", "payload_is_required")
class NeedsNothing(TinyStore):
    """
    The payload is never looked at.
    """

    def judge(self, trigger, payload):
        """Look at the trigger alone."""
        if trigger not in RUN.triggers:
            raise ValueError(trigger)


@broken("WHERE thread_id = ?: all runs of a thread are moved", "runs_are_separate")
class MovesAll(TinyStore):
    """
    The WHERE matches more than the run.
    """

    def write(self, run, new):
        """Move whatever is as the run was."""
        moved = super().write(run, new)
        self.say("UPDATE runs SET status = :to WHERE status = :was",
                 to=new["status"], was=run["status"])  # fmt: skip

        return moved


# -- who wins, and what the loser is told ------------------------------------------------


@broken("oban#1496: a stale executor overwrites a terminal state", ONE_WINNER)
class WhereIdOnly(TinyStore):
    """
    Read, decide, UPDATE ... WHERE id = ?.
    """

    locked = False
    guard = "TRUE"


@broken("unstract#2172: a stale object is saved again over COMPLETED", ONE_WINNER)
class SavesTheObject(TinyStore):
    """
    The whole row is replaced by what was read, changed.
    """

    locked = False

    def write(self, run, new):
        """Save the object."""
        names = ("id", *STATE)
        marks = ", ".join(f":{name}" for name in names)
        self.say(f"INSERT OR REPLACE INTO runs ({', '.join(names)}) VALUES ({marks})",  # noqa: S608
                 id=run["id"], **new)  # fmt: skip

        return True


@broken("dbos#767: a cancel is silently lost", ONE_WINNER)
class RowcountIgnored(TinyStore):
    """
    The UPDATE is guarded, but nobody looks whether it found its row.
    """

    locked = False

    def write(self, run, new):
        """Never look."""
        super().write(run, new)

        return True


@broken("a gap between read and write", "one_winner_among_threads")
class ReadsThenWrites(WhereIdOnly):
    """
    Any time may pass between the look at a run and the write.
    """

    def move(self, *args, **options):
        """Take some time."""
        time.sleep(0.005)

        return super().move(*args, **options)


@broken("moves are acknowledged that another overwrote", "every_answer_is_true_under_load")
class LosesUpdates(RowcountIgnored):
    """
    Guarded, and the answer is yes in any case.
    """

    def move(self, *args, **options):
        """Take some time."""
        time.sleep(0.002)

        return super().move(*args, **options)


@broken("a lock of the process: two processes have two", ONE_WINNER)
class LockOfItsOwn(TinyStore):
    """
    The transaction begins with the write: what was read before is not under it.
    """

    locked = False
    guard = "TRUE"

    def move(self, run, trigger, payload, key=None, **more):
        """Lock too late."""
        if self.within:
            return super().move(run, trigger, payload, key, **more)
        with self.transaction():
            return super().move(run, trigger, payload, key, **more)


@broken("dbos#767: the loser is told nothing", "refusal_names_the_status")
class TellsNothing(TinyStore):
    """
    The answer is a bool.
    """

    def refused(self, run, trigger):
        """Answer no."""
        return Answer(ok=False)


@broken("the loser is blamed for its own defeat", "refusal_names_the_winner")
class BlamesTheLoser(TinyStore):
    """
    What was tried is taken for what was done.
    """

    def refused(self, run, trigger):
        """Blame the trigger that came too late."""
        return Answer(ok=False, status=run["status"], by=trigger)


@broken(
    "a cache in the process: the other one's move is not seen", "second_connection_sees_every_move"
)
class Remembers(TinyStore):
    """
    A status that was read once is believed for ever.
    """

    def __init__(self, *args):
        super().__init__(*args)
        self.cache = {}

    def fire(self, run_id, trigger, **options):
        """Forget the run."""
        self.cache.pop(run_id, None)

        return super().fire(run_id, trigger, **options)

    def status(self, run_id):
        """Remember."""
        if run_id not in self.cache:
            self.cache[run_id] = super().status(run_id)

        return self.cache[run_id]


# -- stamps and details --------------------------------------------------------------------


@broken("open-assistant-api: cancelled_at is stamped when cancel is asked for", FIELDS)
class StampsTheRequest(TinyStore):
    """
    The wish is taken for the fact.
    """

    def changed(self, fields, row, payload, at):
        """Stamp too early."""
        more = {"cancelled_at": int(at)} if row.target == "cancelling" else {}

        return super().changed(fields, row, payload, at) | more


@broken("a Batch keeps its expires_at after the end", FIELDS)
class KeepsExpiry(TinyStore):
    """
    A run that has ended still has a deadline.
    """

    def changed(self, fields, row, payload, at):
        """Keep the deadline."""
        return super().changed(fields, row, payload, at) | {"expires_at": fields["expires_at"]}


@broken("a stale required_action is answered again", FIELDS)
class KeepsAction(TinyStore):
    """
    A run that is queued again still waits for outputs.
    """

    def changed(self, fields, row, payload, at):
        """Keep the action."""
        after = super().changed(fields, row, payload, at)

        return after | {"required_action": after["required_action"] or fields["required_action"]}


@broken("a stamp is set the first time only", "stamps_are_the_times_of_the_moves")
class StampsOnce(TinyStore):
    """
    A run that starts again keeps the time of its first start.
    """

    def changed(self, fields, row, payload, at):
        """Keep every stamp."""
        after = super().changed(fields, row, payload, at)

        return after | {n: fields[n] for n in RUN.entry(row.target).stamps if fields[n]}


@broken("stamps from the clock of the process", "stamps_are_the_times_of_the_moves")
class StampsByItself(TinyStore):
    """
    Each process has its own idea of the time.
    """

    def changed(self, fields, row, payload, at):
        """Ask the process."""
        return super().changed(fields, row, payload, time.time())


# -- the journal -----------------------------------------------------------------------------


@broken("state and journal are two commits", ALL_OR_NOTHING)
class TwoCommits(TinyStore):
    """
    Guarded, but a crash in between leaves a move that nobody wrote down.
    """

    locked = False


@broken("the journal is written before the state", ALL_OR_NOTHING)
class JournalFirst(TinyStore):
    """
    A crash in between leaves a line about a move that was not made.
    """

    locked = False

    def move(self, run, trigger, payload, key=None, **more):
        """Write down, then move."""
        row, at = self.row(trigger, run["status"]), self.time(run)
        new = self.entered(run, row, payload, at) | more
        self.enter(run_id=run["id"], seq=new["version"], trigger=trigger, source=run["status"],
                   target=row.target, at=at, key=key)  # fmt: skip
        self.write(run, new)

        return Answer(ok=True)


@broken("the journal is best effort: its errors are swallowed", ALL_OR_NOTHING)
class BestEffort(TinyStore):
    """
    What could not be written down is moved all the same.
    """

    def enter(self, **line):
        """Swallow."""
        with suppress(Exception):
            super().enter(**line)


@broken("a failed COMMIT leaves its transaction to the next user of the connection", ALL_OR_NOTHING)
class ForgetsToRollBack(TinyStore):
    """
    The error is raised, and the transaction stays open.
    """

    def rollback(self):
        """Do nothing."""

    @contextmanager
    def work(self):
        """Begin, unless something was begun."""
        if not self.within and not self.db.in_transaction:
            self.say("BEGIN IMMEDIATE")
        yield
        if not self.within:
            self.say("COMMIT")


@broken("moves are numbered for the whole store", "journal_is_numbered")
class NumbersAll(TinyStore):
    """
    One sequence for all runs has gaps in each.
    """

    sequence = count(2)

    def enter(self, **line):
        """Take the next number of all."""
        if line.get("seq", 1) != 1:
            line["seq"] = next(self.sequence)
        super().enter(**line)


@broken("attempts are numbered: a refusal leaves a gap", "journal_is_numbered")
class NumbersAttempts(TinyStore):
    """
    Like a sequence of the database, which a rollback does not turn back.
    """

    def refused(self, run, trigger):
        """Count."""
        self.say("UPDATE runs SET version = version + 1 WHERE id = :id", id=run["id"])

        return super().refused(run, trigger)


@broken("the number is count(*) + 1", "cancel_and_outcome_may_come_in_either_order")
class CountsLines(TinyStore):
    """
    The number is found when the move is written down, not when it is made.
    """

    locked = False
    guard = "status = :source"

    def enter(self, **line):
        """Count."""
        if line.get("kind", "move") == "move":
            line["seq"] = 1 + len([e for e in self.history(line["run_id"]) if e.kind == "move"])
        super().enter(**line)


@broken(
    "the journal says where a run is, not from where it came", "journal_records_every_transition"
)
class TellsTargetsOnly(TinyStore):
    """
    A log of statuses.
    """

    def enter(self, **line):
        """Leave out the source."""
        super().enter(**line | {"source": None})


@broken("orbit#868: the outcome of the loser is dropped", "late_outcome_is_kept")
class DropsLate(TinyStore):
    """
    First writer wins, and nobody learns what the second one had.
    """

    def keep_late(self, run, trigger):
        """Drop it."""


@broken("hooks run before the commit", "notified_after_the_commit")
class TellsTooEarly(TinyStore):
    """
    Told of a move that is not there yet, and may never be.
    """

    def enter(self, **line):
        """Write down, and tell."""
        super().enter(**line)
        if line.get("target"):
            for callback in self.callbacks:
                callback(line["run_id"], str(line["target"]))

    def tell(self):
        """Do nothing."""


@broken("the store commits in the caller's transaction", "caller_may_roll_back")
class CommitsForOthers(TinyStore):
    """
    What the caller undoes has happened.
    """

    def fire(self, run_id, trigger, **options):
        """Commit, and begin again."""
        answer = super().fire(run_id, trigger, **options)
        if self.within:
            self.say("COMMIT")
            self.say("BEGIN IMMEDIATE")

        return answer


@broken("the clock steps back, and time with it", "time_never_runs_backwards")
class BelievesTheClock(TinyStore):
    """
    A move is earlier than the one before it.
    """

    def time(self, run):
        """Take the time as it is."""
        return run["now"]


# -- keys --------------------------------------------------------------------------------------


@broken("prefect without transition_id: a retry is a second attempt", "retry_moves_nothing")
class KeyIgnored(TinyStore):
    """
    A client that never got its answer is told that it lost to itself.
    """

    def known(self, run, key):
        """Know nothing."""
        return False


@broken("a key is unique in the whole store", "key_belongs_to_its_run")
class KeyOfTheStore(TinyStore):
    """
    Two runs of one client share its keys.
    """

    def known(self, run, key):
        """Look at all runs."""
        return self.say("SELECT 1 FROM journal WHERE key = :key", key=key)


@broken("only the last key is remembered", "retry_after_a_round_trip_moves_nothing")
class LastKeyOnly(TinyStore):
    """
    A retry that comes late is taken for a new one.
    """

    def known(self, run, key):
        """Look at the last move."""
        lines = [line for line in self.history(run["id"]) if line.kind == "move"]

        return lines[-1].key == key


@broken("a refusal is cached under its key", "key_of_a_refusal_can_be_used_again")
class RefusalsKeepKeys(TinyStore):
    """
    What was refused once is refused for ever.
    """

    def __init__(self, *args):
        super().__init__(*args)
        self.answers = {}

    def fire(self, run_id, trigger, *, key=None, **options):
        """Answer as before."""
        if key is None or (run_id, key) not in self.answers:
            answer = super().fire(run_id, trigger, key=key, **options)
            self.answers[run_id, key] = answer

        return self.answers[run_id, key]


@broken("the key is looked up before the lock", "retry_between_any_statements_moves_nothing")
class KeyLookedUpFirst(TinyStore):
    """
    Two attempts at once both find the key unused; one is told that it lost.
    """

    def fire(self, run_id, trigger, *, key=None, **options):
        """Look first."""
        if key is not None and super().known({"id": run_id}, key):
            return Answer(ok=True)

        return super().fire(run_id, trigger, key=key, **options)

    def known(self, run, key):
        """Do not look again."""
        return False


@broken("the key is looked up before the lock, long before", "retries_at_once_are_one_move")
class KeyLookedUpLongBefore(KeyLookedUpFirst):
    """
    A client that loses patience gets a no for the attempt that went through.
    """

    def refusal(self, *args):
        """Take some time."""
        time.sleep(0.005)

        return super().refusal(*args)


# -- the feed ------------------------------------------------------------------------------------


@broken("a feed by timestamp", "feed_has_every_move")
class FeedByTime(TinyStore):
    """
    Of what happened at the same time, the first is all that a small page has.
    """

    def moves(self, *, after=None, limit=100):
        """Go by the time."""
        rows = self.say(
            "SELECT * FROM journal WHERE kind = 'move' AND at > :after ORDER BY at, position "
            "LIMIT :limit",
            after=after or 0, limit=limit,
        )  # fmt: skip
        lines = [Line(*row) for row in rows]

        return Page(lines, lines[-1].at if lines else after)


@broken("marquez#2264: a feed by timestamp and position", "feed_ignores_the_clock")
class FeedByTimeAndPosition(TinyStore):
    """
    What is written with an earlier time is never seen.
    """

    def moves(self, *, after=None, limit=100):
        """Go by the time, then by the position."""
        rows = self.say(
            "SELECT * FROM journal WHERE kind = 'move' AND (at, position) > (:at, :position) "
            "ORDER BY at, position LIMIT :limit",
            at=(after or (0, 0))[0], position=(after or (0, 0))[1], limit=limit,
        )  # fmt: skip
        lines = [Line(*row) for row in rows]

        return Page(lines, (lines[-1].at, lines[-1].position) if lines else after)


@broken("a page is filtered after it was cut", "feed_has_every_move")
class FilteredPages(TinyStore):
    """
    A page without moves looks like the end.
    """

    def moves(self, *, after=None, limit=100):
        """Cut, then filter."""
        rows = self.say(
            "SELECT * FROM journal WHERE position > :after ORDER BY position LIMIT :limit",
            after=after or 0, limit=limit,
        )  # fmt: skip
        lines = [Line(*row) for row in rows]

        return Page(
            [line for line in lines if line.kind == "move"], lines[-1].position if lines else after
        )


@broken("an offset is no cursor: the feed is read from the newest", "feed_continues_from_a_cursor")
class FeedByOffset(TinyStore):
    """
    What is new pushes the rest out of the pages.
    """

    def moves(self, *, after=None, limit=100):
        """Count from the end."""
        rows = self.say(
            "SELECT * FROM (SELECT * FROM journal WHERE kind = 'move' ORDER BY position DESC "
            "LIMIT :limit OFFSET :after) ORDER BY position",
            after=after or 0, limit=limit,
        )  # fmt: skip
        lines = [Line(*row) for row in rows]

        return Page(lines, (after or 0) + len(lines))


@broken("positions are given out before the commit", "feed_misses_no_late_commit")
class PositionsGivenEarly(TinyStore):
    """
    What is committed late comes before what was read already.
    """

    positions = count(1_000)

    @contextmanager
    def transaction(self):
        """Keep moves, with their positions, until the end."""
        kept = [(next(self.positions), [])]
        yield _Kept(self, kept[0][1])
        for run_id, trigger, options in kept[0][1]:
            self.fire(run_id, trigger, position=kept[0][0], **options)

    def fire(self, run_id, trigger, *, position=None, **options):
        """Move, at a position that was given out."""
        answer = super().fire(run_id, trigger, **options)
        self.say(
            "UPDATE journal SET position = :position WHERE position = (SELECT max(position) "
            "FROM journal WHERE run_id = :id)",
            position=position or next(self.positions), id=run_id,
        )  # fmt: skip

        return answer


class _Kept:
    """
    A transaction that writes in the end.
    """

    def __init__(self, store, kept):
        self.store, self.kept = store, kept

    def fire(self, run_id, trigger, **options):
        """Keep for later."""
        self.kept.append((run_id, trigger, options))

        return Answer(ok=True)


# -- leases ----------------------------------------------------------------------------------------


@broken("procrastinate: finish_job knows no worker id", "stale_worker_is_fenced")
class NoFence(TinyStore):
    """
    Whoever finishes, finishes.
    """

    def may_write(self, run, token, ended):
        """Let everybody write."""
        return True


@broken("dbos: the owner is compared before the write", "stale_worker_is_fenced_between_any_statements")  # fmt: skip
class FencedBeforehand(TinyStore):
    """
    Between the look at the token and the write, the run is given away.
    """

    locked = False


@broken("a lease that ran out is good until somebody else has the run", "expired_lease_is_lost")
class LapsedMayWrite(TinyStore):
    """
    Only the token is compared.
    """

    holds = "lease_token = :token"

    def may_write(self, run, token, ended):
        """Compare the token alone."""
        return token == run["lease_token"]


@broken("airflow#71580: a heartbeat revives a lease that was lost", "expired_lease_is_lost")
class HeartbeatRevives(TinyStore):
    """
    Whoever sends a heartbeat has the run.
    """

    def heartbeat(self, lease):
        """Renew in any case."""
        rows = self.say(
            "UPDATE runs SET lease_until = (SELECT now FROM clock) + :seconds WHERE id = :id "
            "RETURNING status",
            id=lease.run_id, seconds=lease.seconds,
        )  # fmt: skip

        return Beat(ok=True, cancel_requested=rows[0][0] == "cancelling")


@broken("the heartbeat is noted, and never used", "heartbeat_renews")
class HeartbeatIgnored(TinyStore):
    """
    Leases are as long as they were.
    """

    def heartbeat(self, lease):
        """Look, and leave it."""
        run = self.read(lease.run_id)
        held = run["lease_token"] == lease.token and self.held(run)

        return Beat(held, run["status"] == "cancelling")


@broken("the worker never learns of the cancel", "heartbeat_reports_a_cancel")
class SilentHeartbeat(TinyStore):
    """
    The heartbeat answers yes or no.
    """

    def heartbeat(self, lease):
        """Say nothing more."""
        return Beat(super().heartbeat(lease).ok)


@broken("a token of the run, not of the claim", "run_of_an_expired_lease_is_claimed_again")
class TokenStays(TinyStore):
    """
    The second worker has the token of the first.
    """

    def take(self, run, seconds):
        """Give the token again."""
        taken = super().take(run, seconds)
        self.say("UPDATE runs SET lease_token = 1 WHERE id = :id", id=run["id"])

        return Taken(taken.run_id, 1, seconds)


@broken("release by id: a stale worker gives away what another holds", "only_the_holder_releases")
class ReleasesAnything(TinyStore):
    """
    The token is not compared.
    """

    def release(self, lease):
        """Release whoever has it."""
        return bool(self.say(
            "UPDATE runs SET lease_until = (SELECT now FROM clock) WHERE id = :id RETURNING id",
            id=lease.run_id,
        ))  # fmt: skip


@broken("a run is given back, and its worker goes on writing", "released_run_is_claimed_again")
class ReleasedMayWrite(LapsedMayWrite):
    """
    Who released the run may still write to it.
    """

    def may_write(self, run, token, ended):
        """Compare the token alone, and let it lapse by time."""
        return token == run["lease_token"]


@broken("river#1302: the rescuer moves a completed job back", "ended_run_is_not_claimed")
class RescuesTheEnded(TinyStore):
    """
    A lease is looked at, and not whether its run has ended.
    """

    def entered(self, run, row, payload, at):
        """Keep the lease after the end."""
        return super().entered(run, row, payload, at) | {"lease_until": run["lease_until"]}

    def take(self, run, seconds):
        """Put whatever was found in progress again."""
        if run["status"] == "queued":
            return super().take(run, seconds)
        token = run["lease_token"] + 1
        self.say(
            "UPDATE runs SET status = 'in_progress', lease_until = :until, lease_token = :token, "
            "version = version + 1 WHERE id = :id",
            id=run["id"], until=run["now"] + seconds, token=token,
        )  # fmt: skip
        self.enter(run_id=run["id"], seq=run["version"] + 1, trigger="rescue",
                   source=run["status"], target="in_progress", at=run["now"])  # fmt: skip

        return Taken(run["id"], token, seconds)


@broken("procrastinate#1518: the run of a pruned worker is hidden for ever", "run_of_an_expired_lease_is_claimed_again")  # fmt: skip
class NeverRescues(TinyStore):
    """
    Whoever claims looks for queued runs alone.
    """

    claimable = "status = 'queued'"


@broken(
    "airflow#66773: no heartbeat yet, so none is late", "run_of_an_expired_lease_is_claimed_again"
)
class FirstHeartbeatMissing(TinyStore):
    """
    A worker that dies before its first heartbeat keeps the run for ever.
    """

    def take(self, run, seconds):
        """Leave the lease open."""
        taken = super().take(run, seconds)
        self.say("UPDATE runs SET lease_until = NULL WHERE id = :id", id=run["id"])

        return taken


@broken("db-scheduler#433: leases by the clock of the process", "leases_have_one_clock")
class LeasesByItself(TinyStore):
    """
    Each process has its own idea of the time.
    """

    skew = 0

    def read(self, run_id):
        """Look at one's own clock."""
        return super().read(run_id) | {"now": self.moment}

    @property
    def moment(self):
        """The time of this process."""
        return 1_700_000_000 + self.skew

    @property
    def claimable(self):
        """Compared with one's own clock."""
        return f"status = 'queued' OR lease_until <= {self.moment}"

    @property
    def holds(self):
        """Compared with one's own clock."""
        return f"lease_token = :token AND lease_until > {self.moment}"

    def advance(self, seconds):
        """Move one's own clock."""
        super().advance(seconds)
        self.skew += seconds


@broken("aegra: SELECT, then UPDATE: two workers get one run", "claims_between_any_statements_get_a_run_each")  # fmt: skip
class ClaimsInTwoSteps(TinyStore):
    """
    The run that was found is taken, whatever happened to it since.
    """

    locked = False
    guard = "TRUE"


@broken("procrastinate without SKIP LOCKED: the oldest run goes to all", "claims_at_once_get_a_run_each")  # fmt: skip
class ClaimsWithAGap(ClaimsInTwoSteps):
    """
    Whoever looks at the same time finds the same run.
    """

    def take(self, *args):
        """Take some time."""
        time.sleep(0.005)

        return super().take(*args)


@broken("a worker is given runs that others hold", "one_lease_a_run")
class ClaimsTheHeld(TinyStore):
    """
    In progress is taken for abandoned.
    """

    claimable = "status IN ('queued', 'in_progress')"


# -- sweeps -------------------------------------------------------------------------------------------


@broken("airflow#68008: the callback comes first, so expiry fires twice", "sweep_ends_once")
class CallsBackFirst(TinyStore):
    """
    The run is expired when its callback has run, and swept until then.
    """

    def sweep(self):
        """Call back, and leave the status to the callback."""
        with self.work():
            return [Swept(run["id"]) for run in self.due()]


@broken("river: a sweeper's UPDATE has only WHERE id", "sweep_leaves_runs_that_ended_meanwhile")
class SweepsWhateverItSaw(TinyStore):
    """
    What was overdue a moment ago is ended now.
    """

    locked = False
    guard = "TRUE"


@broken("a timeout is armed against a status, not against a stay in it", "sweep_spares_a_run_that_came_back")  # fmt: skip
class SweepsByStatus(TinyStore):
    """
    A run that came back is ended for its stay before.
    """

    locked = False
    guard = "status = :source"


@broken("a deadline outlives its run", "sweep_leaves_runs_that_are_not_due")
class SweepsTheEnded(TinyStore):
    """
    What has ended in time is expired all the same.
    """

    def entered(self, run, row, payload, at):
        """Keep the deadline."""
        new = super().entered(run, row, payload, at)

        return new | {"deadline_at": new["deadline_at"] or run["deadline_at"]}

    def row(self, trigger, status):
        """Allow the timeout from everywhere."""
        return RUN.row(trigger, status) or (
            any_row(trigger, status) if trigger == "expire" else None
        )


@broken("two sweepers both count what one of them did", "sweepers_at_once_end_each_once")
class SweepersCountTwice(TinyStore):
    """
    What was found overdue is reported, whoever ended it.
    """

    locked = False

    def sweep(self):
        """Report what was found."""
        found = self.due()
        time.sleep(0.05)
        for run in found:
            self.end(run)

        return [Swept(run["id"]) for run in found]


@broken("prefect#4490, st2#4735: cancelling for ever", "cancel_never_sticks")
class CancelSticks(TinyStore):
    """
    A dead worker confirms nothing, and nobody does it for it.
    """

    overdue = "deadline_at <= (SELECT now FROM clock) AND status <> 'cancelling'"


# -- creation ---------------------------------------------------------------------------------------------


@broken("a run is created as if a worker had it", "new_run_is_initial")
class CreatesInProgress(TinyStore):
    """
    Created by whoever executes it, so nobody waits for it.
    """

    def create(self):
        """Create, and start."""
        run_id = super().create()
        run = self.read(run_id)
        self.write(run, {name: run[name] for name in STATE} | {"status": "in_progress"})

        return run_id


@broken("claim is two commits: lost between them, nobody can claim the run", "claim_is_all_or_nothing")  # fmt: skip
class ClaimsInTwoCommits(TinyStore):
    """
    The lease is committed before the move.
    """

    def take(self, run, seconds):
        """Start, commit, and only then say that somebody has it."""
        if run["status"] != "queued":
            return super().take(run, seconds)
        self.say("UPDATE runs SET status = 'in_progress' WHERE id = :id", id=run["id"])
        self.say("COMMIT")
        self.say("BEGIN IMMEDIATE")
        self.say("UPDATE runs SET status = 'queued' WHERE id = :id", id=run["id"])

        return super().take(run, seconds)
