"""
Logs with everything in them, and what the core says of them run by run.
"""

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from io import BytesIO
from math import inf
from types import MappingProxyType
from typing import Any

from runstate import RUN, Finding, Lifecycle, Observation
from runstate.histories import Dwell, Survey, survey
from runstate.readers import Columns, read

BORN = 1_700_000_000.0
Row = tuple[str | None, str | None, float | None]

STRANGE: list[str | None] = ["runing", "\x1b[31mred", "zzz", "", None, "y" * 300]

MODELS: dict[str, dict[str, Any]] = {
    "complete": {"observed": "complete"},
    "complete, ended": {
        "observed": "complete",
        "finished": True,
        "limits": {"queued": 2.0, "in_progress": 1.5, "completed": 1},
        "now": BORN + 20.5,
    },
    "complete, unmeasured": {"observed": "complete", "finished": True, "measured": False},
    "polled": {"observed": "polled"},
    "polled, limited": {"observed": "polled", "limits": {"queued": 3}, "measured": False},
    "unordered": {"observed": "unordered", "finished": True},
    "unordered, limited": {"observed": "unordered", "limits": {"queued": 3}, "now": BORN + 99},
}
"""What is asked of every log, by name."""


def history(chance: random.Random, lifecycle: Lifecycle, wrong: float) -> Iterator[str | None]:
    """
    Statuses of a run that mostly goes as it may.
    """
    status = str(chance.choice(lifecycle.initial_statuses))
    for _ in range(chance.randrange(1, 9)):
        odd = chance.random()
        yield status if odd > wrong else chance.choice([*map(str, lifecycle.statuses), *STRANGE])
        if chance.random() < 0.2:
            yield status
        targets = lifecycle.targets(status)
        if targets:
            status = str(chance.choice(targets))


def log(
    seed: int, *, runs: int = 120, wrong: float = 0.04, lifecycle: Lifecycle = RUN
) -> list[Row]:
    """
    Rows in any order: ties, repeats, unknown statuses, ids that are null or too long, no times.
    """
    chance = random.Random(seed)  # noqa: S311
    rows: list[Row] = []
    for number in range(runs):
        run_id = {5: None, 7: "x" * 600, 9: "ünï"}.get(number % 41, f"run_{number}")
        at = BORN + chance.randrange(40) / 4
        for status in history(chance, lifecycle, wrong):
            at += chance.choice([0, 0, 0.25, 1, 2.5, 0.000_001])
            timed = None if chance.random() < 0.01 else round(at, 6)
            rows.append((run_id, status, 5.0 if chance.random() < 0.005 else timed))
    chance.shuffle(rows)

    return rows


def expected(
    rows: Sequence[Row],
    lifecycle: Lifecycle = RUN,
    *,
    limit: int = 1_000_000,
    samples: int = 0,
    measured: bool = True,
    **asked: Any,
) -> Survey:
    """
    What the readers, the monitor and the counter make of *rows*, one run after the other.
    """
    notes, seen, faults = told(rows, lifecycle)
    found: list[Finding] = []
    surveys: dict[str | None, Survey] = {}
    wrong: list[str | None] = []
    for run_id in sorted({*notes, *seen}, key=lambda run: run or ""):
        own = notes.get(run_id, [])
        if run_id in seen:
            alone = survey(seen[run_id], lifecycle, samples=1, **asked)
            surveys[run_id] = alone
            own = [*own, *(each._replace(line=None) for each in alone.findings)]
        else:
            own = sorted(own, key=lambda finding: [*map(str, finding)])
        found += own
        wrong += [run_id] if own and run_id in seen else []
    found += faults
    total = together([*surveys.values()])._replace(
        findings=tuple(found[:limit]),
        tally=Counter(finding.code for finding in found),
        errors=sum(finding.severity == "error" for finding in found),
        timelines={run: lines_of(surveys[run]) for run in chosen([*surveys], wrong, samples)},
    )

    return total if measured else total._replace(dwell={})


def told(
    rows: Sequence[Row], lifecycle: Lifecycle
) -> tuple[
    dict[str | None, list[Finding]], dict[str | None, list[Observation]], list[Finding]
]:  # fmt: skip
    """
    What the readers say of each run: findings and observations, in order; and of whole columns.
    """
    rank = {str(status): place for place, status in enumerate(lifecycle.statuses)}
    lines = []
    for run_id, status, at in sorted(rows, key=lambda row: row[0] or ""):
        timed = {} if at is None else {"at": at}
        lines.append(json.dumps({"run_id": run_id, "status": status, **timed}) + "\n")
    notes: dict[str | None, list[Finding]] = {}
    seen: dict[str | None, list[Observation]] = {}
    faults = []
    for each in read(
        BytesIO("".join(lines).encode()), format="jsonl", lifecycle=lifecycle,
        columns=Columns("run_id", "status", "at"),
    ):  # fmt: skip
        plain = each._replace(file=None, line=None)
        if isinstance(plain, Observation):
            seen.setdefault(plain.run_id, []).append(plain)
        elif plain.message.startswith("at "):
            faults.append(plain)
        else:
            notes.setdefault(plain.run_id, []).append(plain)
    for run in seen.values():
        run.sort(
            key=lambda row: (
                -inf if row.at is None else row.at,
                rank.get(row.status, 99),
                row.status,
            )
        )

    return notes, seen, faults


def together(surveys: Sequence[Survey]) -> Survey:
    """
    The counts of different runs added up.
    """
    dwell: dict[tuple[str, str], Dwell] = {}
    for each in surveys:
        for move, one in each.dwell.items():
            other = dwell.get(move, Dwell(0, 0.0, 0.0, {}))
            dwell[move] = Dwell(
                one.times + other.times,
                (round(one.total * 1e6) + round(other.total * 1e6)) / 1e6,
                max(one.longest, other.longest),
                MappingProxyType(
                    dict(sorted((Counter(one.buckets) + Counter(other.buckets)).items()))
                ),
            )

    def added(name: str) -> Counter[Any]:
        return sum((Counter(getattr(each, name)) for each in surveys), Counter())

    def number(name: str) -> int:
        return sum(getattr(each, name) for each in surveys)

    return Survey(
        *map(number, ("runs", "observations", "undecided")),
        findings=(), tally={}, errors=0,
        **{name: added(name) for name in ("seen", "ends", "moves", "recorded")},
        **{name: number(name) for name in ("tied", "reopened")},
        dwell=dwell,
        began=min((each.began for each in surveys if each.began is not None), default=None),
        ended=max((each.ended for each in surveys if each.ended is not None), default=None),
    )  # fmt: skip


def chosen(
    runs: Iterable[str | None], wrong: Sequence[str | None], samples: int
) -> list[str | None]:
    """
    The runs whose timelines are kept: half of them wrong ones, then those of the smallest hashes.
    """

    def digest(run: str | None) -> tuple[bytes, str]:
        return blake2b((run or "").encode(), digest_size=8).digest(), run or ""

    fair = sorted(runs, key=digest)[:samples]

    return [*dict.fromkeys([*wrong[: samples // 2], *fair])][:samples]


def lines_of(alone: Survey) -> tuple[Observation, ...]:
    """
    The timeline of the one run of a survey, as engines have it whose rows have no place.
    """
    (rows,) = alone.timelines.values()

    return tuple(row._replace(line=None) for row in rows)


def plain(survey: Survey) -> Survey:
    """
    The survey with its findings in an order of their own.
    """
    return survey._replace(findings=tuple(sorted(survey.findings, key=repr)))
