"""
The demonstration: what its threads did is in its log, and the log is possible.
"""

import random
from collections import Counter
from pathlib import Path

import pytest

from runstate import RUN, Finding, Observation, RunStatus, check, demo
from runstate.demo import Outcome, run_demo
from runstate.readers import read


@pytest.fixture
def _faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let ten minutes of a run pass in a tenth of a second.
    """
    monkeypatch.setattr(demo, "SPEED", 6_000)


def moves(log: Path) -> list[Observation]:
    """
    Return the moves that were logged, of which every one can be read.
    """
    with log.open("rb") as stream:
        records = list(read(stream, name=log.name))
    assert not [record for record in records if isinstance(record, Finding)]

    return [record for record in records if isinstance(record, Observation)]


def played(tmp_path: Path, runs: int, workers: int) -> tuple[Outcome, list[Observation]]:
    """
    Return what came of a demonstration, and what it logged.
    """
    log = tmp_path / "moves.jsonl"
    log.write_text("what was here before")

    return run_demo(log, runs=runs, workers=workers, seed=7), moves(log)


@pytest.mark.usefixtures("_faster")
@pytest.mark.parametrize(("runs", "workers"), [(1, 1), (3, 8), (120, 4)])
def test_every_run_ends_and_was_possible(tmp_path, runs, workers):
    """
    However many runs and workers, every run ends, and its log is complete and legal.
    """
    outcome, logged = played(tmp_path, runs, workers)

    report = check(logged, observed="complete", finished=True)
    assert ((), runs, len(logged), 0) == report
    assert outcome.statuses.keys() <= RUN.terminal.keys()
    assert outcome.statuses.total() == runs


@pytest.mark.usefixtures("_faster")
def test_counts_add_up(tmp_path):
    """
    What was counted is what was logged: each run created once, each ended once.
    """
    outcome, logged = played(tmp_path, 120, 4)

    assert outcome.moves == Counter((move.source, move.status) for move in logged)
    assert outcome.moves[None, "queued"] == 120
    assert outcome.statuses == Counter(
        move.status for move in logged if RUN.is_terminal(move.status)
    )
    assert all(RUN.rows(*pair) for pair in outcome.moves if pair[0] is not None)
    assert {status for _, status in outcome.beaten} <= set(RunStatus)
    assert {trigger for trigger, _ in outcome.beaten} <= set(RUN.triggers)
    assert outcome.seconds > 0


def test_there_is_something_to_see(tmp_path):
    """
    Runs of a demonstration complete, ask for tools, are cancelled and expire.
    """
    outcome, _ = played(tmp_path, 200, 8)

    assert {"completed", "cancelled", "expired"} <= outcome.statuses.keys()
    assert outcome.moves["requires_action", "queued"] > 0
    assert outcome.beaten.total() > 0


def test_impatience_ends_with_the_last_run(no_log):
    """
    Nobody asks for a cancel any more once every run has ended.
    """
    stage = demo._Stage(no_log, 8, random.Random(7))  # noqa: S311
    for run in stage.runs:
        stage._try(run, "expire")
    stage.cancel()

    assert Counter({(None, "queued"): 8, ("queued", "expired"): 8}) == stage.moves
    assert Counter() == stage.beaten


def test_log_that_cannot_be_written_is_an_error(tmp_path):
    """
    Without a place for its log, the demonstration does not begin.
    """
    with pytest.raises(FileNotFoundError):
        run_demo(tmp_path / "none" / "moves.jsonl", runs=1, workers=1)
