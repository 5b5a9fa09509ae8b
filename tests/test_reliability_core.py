"""
What needs no database: one table, torn journals, hooks that fail: R1, R8 and R10 of the reliability bar.
"""

import asyncio
import io
import json
import re
from itertools import product

import pytest
import transitions

from conftest import fire, run_in
from runstate import RUN, Engine, Finding, GuardRefusedError, Lifecycle, RunEngine
from runstate.diagrams import draw
from runstate.presets import PRESETS
from runstate.readers import read

pytestmark = pytest.mark.slow

# -- R1 ------------------------------------------------------------------------------------


def moved_by_machine(lifecycle):
    """
    Return the pairs that a plain machine moves between, by all triggers from all statuses.
    """
    pairs, machine = set(), lifecycle.machine()
    triggers = {row.trigger for row in (*lifecycle, *lifecycle.reopenings)}
    for source, trigger in product(map(str, lifecycle.statuses), triggers):
        model = type("Model", (), {})()
        machine.add_model(model, initial=source)
        try:
            getattr(model, trigger)()
        except transitions.MachineError:
            continue
        pairs.add((source, model.state))

    return pairs


def moved_by_engine(lifecycle):
    """
    Return the pairs that the generic engine moves between.
    """
    bare = Lifecycle(
        lifecycle.name,
        lifecycle.transitions,
        lifecycle.initial_statuses,
        dict(lifecycle.terminal),
    )
    engine, pairs = Engine(bare), set()
    for source, trigger in product(map(str, lifecycle.statuses), lifecycle.triggers):
        job = type("Job", (), {"status": source})()
        if engine.can(job, trigger):
            engine.fire(job, trigger)
            pairs.add((source, job.status))

    return pairs


def drawn_in_mermaid(lifecycle):
    """
    Return the pairs that the Mermaid picture has an arrow for.
    """
    mermaid = draw(lifecycle, "mermaid").decode().replace("#47;", "/")
    named = dict(re.findall(r'^\s+(s\d+)[(\[]+"([^"<]+)', mermaid, re.MULTILINE))
    arrows = re.findall(r'^\s+(s\d+) -\.?->\|"[^"]+"\| (s\d+)$', mermaid, re.MULTILINE)

    return {(named[source], named[target]) for source, target in arrows}


@pytest.mark.parametrize("lifecycle", PRESETS.values(), ids=lambda preset: preset.name)
def test_all_who_hold_the_table_agree_on_every_pair(lifecycle):
    """
    R1: for all pairs of statuses; the tests of the generated SQL are about the databases.

    Pictures and a machine have the rows that reopen, too; `check` and a bare engine do not.
    """
    rows = {(str(row.source), str(row.target)) for row in lifecycle}
    data = json.loads(draw(lifecycle, "json"))
    holders = {
        "transitions": moved_by_machine(lifecycle),
        "engine": moved_by_engine(lifecycle),
        "check": {
            (str(s), str(t))
            for s, t in product(lifecycle.statuses, repeat=2)
            if s != t and (s, t) in lifecycle.seen_next
        },
        "mermaid": drawn_in_mermaid(lifecycle),
        "json": {(row["source"], row["target"]) for row in data["transitions"]},
    }

    reopened = rows | {(row.source, row.target) for row in lifecycle.reopenings}
    with_reopenings = dict.fromkeys(("transitions", "mermaid", "json"), reopened)
    assert {**dict.fromkeys(holders, rows), **with_reopenings} == holders
    pairs = len(lifecycle.statuses) ** 2
    print(f"R1 {lifecycle.name}: {pairs} pairs, {len(holders) + 1} holders of the table, all agree")


# -- R8 ------------------------------------------------------------------------------------


def journal():
    """
    Return the log of five moves, as it is written, in lines.
    """
    statuses = ["queued", "in_progress", "requires_action", "queued", "in_progress", "completed"]
    lines = [
        {
            "event": "run.transition", "run_id": "run_é", "seq": seq + 1, "at": 1_700_000_000.5 + seq,
            "source": source, "target": target, "trigger": RUN.rows(source, target)[0].trigger,
        }
        for seq, (source, target) in enumerate(zip(statuses, statuses[1:]), 1)  # noqa: B905, RUF007
    ]  # fmt: skip

    return [json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines]


def seen_in(data):
    """
    Return what is read of *data*: the observations, and the findings about its lines.
    """
    records = list(read(io.BytesIO(data), name="moves.jsonl"))
    findings = [record for record in records if isinstance(record, Finding)]

    return [record for record in records if not isinstance(record, Finding)], findings


def test_journal_that_was_torn_is_read_up_to_the_tear():
    """
    R8: cut off at every byte of its last three records, the rest is read and the tear is placed.
    """
    lines = journal()
    whole, nothing = seen_in(b"".join(lines))
    assert (5, []) == (len(whole), nothing)
    kept = sum(map(len, lines[:2]))
    data = b"".join(lines)
    torn = 0
    for cut in range(kept, len(data)):
        seen, findings = seen_in(data[:cut])
        full = data[:cut].count(b"\n")
        rest = data[:cut].rpartition(b"\n")[2]
        # A record that lacks its line's end alone is whole.
        ended = full + (rest + b"\n" == lines[full])
        assert whole[:ended] == seen
        if ended == full and rest:
            assert [("moves.jsonl", full + 1)] == [(f.file, f.line) for f in findings]
            torn += 1
        else:
            assert [] == findings
    print(
        f"R8: cut at {len(data) - kept} bytes, {torn} torn records, each placed, all before it read"
    )


def test_journal_with_a_flipped_bit_is_read_around_it():
    """
    R8: whatever bit of the middle record flips, the other records are read.
    """
    lines = journal()
    whole, _ = seen_in(b"".join(lines))
    others, flipped, told = whole[:2] + whole[3:], 0, 0
    for place, bit in product(range(len(lines[2]) - 1), range(8)):
        broken = bytearray(lines[2])
        broken[place] ^= 1 << bit
        if broken[place] in b"\r\n":
            continue  # which makes two lines of one
        seen, findings = seen_in(b"".join([*lines[:2], bytes(broken), *lines[3:]]))
        flipped += 1
        told += bool(findings)
        assert others == [each for each in seen if each.line != 3]
        assert {3} >= {each.line for each in findings}
    print(f"R8: {flipped} bits flipped, {told} records unreadable, each placed, all others read")


# -- R10 -----------------------------------------------------------------------------------

ALIVE = [status for status in RUN.statuses if not RUN.is_terminal(status)]


def vetoes(run, row):
    """
    A guard that refuses.
    """
    return "no"


def breaks(*_):
    """
    A hook that raises.
    """
    raise ZeroDivisionError("hook")


def fires_again(run, row):
    """
    A guard that moves the run itself, which must find the lock free.
    """
    RunEngine(clock=lambda: 1_700_000_001.0).fail(run, {"code": "server_error", "message": "x"})


def state(run):
    """
    Return everything a run holds.
    """
    return run.model_dump_json(), run._last_move


@pytest.mark.parametrize("source", ALIVE)
def test_hook_before_the_move_leaves_the_run_as_it_is(clock, source):
    """
    R10: a guard that refuses or raises changes no byte, whatever the move.
    """
    tried = 0
    for guard, error in ((vetoes, GuardRefusedError), (breaks, ZeroDivisionError)):
        for trigger in RUN.allowed(source):
            run = run_in(RunEngine(clock=clock), source)
            before = state(run)
            with pytest.raises(error):
                fire(RunEngine(clock=clock, guards=[guard]), run, trigger)
            assert before == state(run)
            tried += 1
    print(f"R10 before, {source}: {tried} moves refused, no byte changed")


async def hangs(moved):
    """
    An observer that nobody waits for.
    """
    await asyncio.sleep(60)


async def fired(engine, run, trigger):
    """
    Fire, and cancel the observers that were only scheduled.
    """
    moved = fire(engine, run, trigger)
    await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()

    return moved


def follows(run):
    """
    Return an observer that moves *run* on at once.
    """

    def observer(moved):
        for trigger in RUN.allowed(run.status)[:1]:
            fire(RunEngine(clock=lambda: moved.at), run, trigger)

    return observer


@pytest.mark.parametrize("source", ALIVE)
def test_hook_after_the_move_cannot_undo_it(clock, source):
    """
    R10: observers that raise, hang, are cancelled or fire again: the move stands, all are told.
    """
    for trigger in RUN.allowed(source):
        run, told = run_in(RunEngine(clock=clock), source), []
        observers = [breaks, hangs, follows(run), told.append]
        moved = asyncio.run(fired(RunEngine(clock=clock, observers=observers), run, trigger))
        assert [moved] == told
        assert (source, trigger) == (moved.source, moved.trigger)
        on = RUN.allowed(moved.target)[:1]
        assert run._last_move.trigger == (on[0] if on else trigger)
        assert run._last_move.seq == moved.seq + len(on)
    print(f"R10 after, {source}: {len(RUN.allowed(source))} moves stand, each told to all")


def test_guard_that_moves_the_run_itself_is_the_winner(clock):
    """
    R10: what a guard has done stands, and the move that it was asked about is judged anew.
    """
    run = RunEngine(clock=clock).create(id="run_1")
    with pytest.raises(Exception, match="failed"):
        RunEngine(clock=clock, guards=[fires_again]).start(run)

    assert "failed" == run.status
    print("R10 re-entrant: the guard's own move stands, the other is refused")
