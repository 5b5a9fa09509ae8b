"""
Histories checked: statuses a second, against the ways one would write by hand.
"""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from report import Section, Target
from runstate import RUN, Monitor, Observation, check
from timing import Variant, interleave
from work import PlainRun

LEAD = """\
Legal histories of 4 to 8 statuses each, as lists of strings that were read from JSON (no two
are one object), one call a history; then one long history. `complete` histories show every
change, `polled` ones repeat and miss some, `unordered` ones are shuffled. The dict of pairs and
the replay through `transitions` say yes or no; `check` returns a report."""

PAIRS = {(str(row.source), str(row.target)): str(row.trigger) for row in RUN}
Histories = list[list[str]]


def measure(*, quick: bool) -> Section:
    """
    Time every way to check histories.
    """
    runs = _walks(200 if quick else 1_000, Random(1))
    long = [_read(_long(20_000 if quick else 200_000))]
    variants = [*_on_lists(runs), *_on_one(long), *_on_faults(runs), *_on_records(runs)]
    interleave(variants, 10 if quick else 40)
    complete, naive = variants[0], variants[1]

    return Section(
        "Histories",
        LEAD,
        ("variant", "million statuses a second", "speed ÷ dict of pairs", "how it is driven"),
        [_row(variant, naive) for variant in variants],
        [],
        [_fast_enough(variant, naive) for variant in variants if variant.name.startswith("**")]
        + [
            Target(
                "checking histories against replaying them through transitions",
                "ahead",
                f"{variants[2].over(complete):.0f} times as fast",
                variants[2].over(complete) > 1,
            )
        ],
    )


def _on_lists(runs: Histories) -> list[Variant]:
    random = Random(2)
    polled = [_read(_poll(history, random)) for history in runs]
    unordered = [_read(random.sample(history, len(history))) for history in runs]

    return [
        _each("**`check`, complete**", "one call a history", check, runs),
        _each("dict of pairs", "a loop by hand, one lookup a status", _by_pairs, runs),
        _each(
            "replay through transitions",
            "`machine.events[name].trigger(plain object)`, the name found in the dict of pairs",
            _replay(),
            runs[: len(runs) // 10],
        ),
        _each("**`check`, polled**", "one call a history", _checking("polled"), polled),
        _each("**`check`, unordered**", "one call a history", _checking("unordered"), unordered),
    ]


def _on_one(long: Histories) -> list[Variant]:
    return [
        _each("**`check`, complete, one long list**", "one call in all", check, long),
        _each("dict of pairs, one long list", "one call in all", _by_pairs, long),
        _each("**`check`, polled, one long list**", "one call", _checking("polled"), long),
        _each("**`check`, unordered, one long list**", "one call", _checking("unordered"), long),
    ]


def _on_faults(runs: Histories) -> list[Variant]:
    faulty = [[*history, "queued"] for history in runs[: len(runs) // 10]]
    how = "the long way, with message and hint"

    return [_each("`check`, one finding in each", how, check, faulty, legal=False)]


def _on_records(runs: Histories) -> list[Variant]:
    seen = [
        Observation(status, f"run_{number}")
        for number, history in enumerate(runs[: len(runs) // 10])
        for status in history
    ]
    Random(3).shuffle(seen)
    how = "`Monitor.observe`, observations of many runs, interleaved, polled"

    return [Variant("Monitor", how, lambda: Monitor(observed="polled"), _watch(seen), len(seen))]


def _watch(seen: list[Observation]) -> Callable[[Monitor], None]:
    def go(monitor: Monitor) -> None:
        for observation in seen:
            monitor.observe(observation)

    return go


def _each(
    name: str,
    how: str,
    judge: Callable[[list[str]], Any],
    runs: Histories,
    *,
    legal: bool = True,
) -> Variant:
    def go(histories: Histories) -> None:
        for history in histories:
            judge(history)

    for history in runs:
        verdict = judge(history)
        if getattr(verdict, "ok", verdict) is not legal:
            raise AssertionError(f"{name} is wrong about {history}")

    return Variant(name, how, lambda: runs, go, sum(map(len, runs)))


def _checking(observed: Any) -> Callable[[list[str]], Any]:
    return lambda history: check(history, observed=observed)


def _by_pairs(history: list[str]) -> bool:
    before = history[0]
    if before != "queued":
        return False
    for status in history[1:]:
        if (before, status) not in PAIRS:
            return False
        before = status

    return True


def _replay() -> Callable[[list[str]], bool]:
    events = RUN.machine(model_attribute="status").events

    def judge(history: list[str]) -> bool:
        run = PlainRun("run_1", 0, history[0])
        for status in history[1:]:
            trigger = PAIRS.get((run.status, status))
            if trigger is None or not events[trigger].trigger(run):
                return False

        return True

    return judge


def _walks(count: int, random: Random) -> Histories:
    found: Histories = []
    while len(found) < count:
        status, history = str(RUN.initial), [str(RUN.initial)]
        while not RUN.is_terminal(status):
            status = str(random.choice(RUN.targets(status)))
            history.append(status)
        if 4 <= len(history) <= 8:
            found.append(_read(history))

    return found


def _long(count: int) -> list[str]:
    leg = ["queued", "in_progress", "requires_action"]

    return [*(leg * (count // len(leg))), "queued", "in_progress", "completed"]


def _poll(history: list[str], random: Random) -> list[str]:
    """
    Return what a poller sees of *history*: the most is missed or repeated, the end is not.
    """
    seen = [status for status in history[:-1] for _ in range(random.choice((0, 1, 1, 2)))]

    return [*seen, history[-1]]


def _read(history: list[str]) -> list[str]:
    return json.loads(json.dumps(history))


def _row(variant: Variant, naive: Variant) -> tuple[str, ...]:
    return (
        variant.name,
        f"{1 / variant.micros:.3g}",
        f"{naive.over(variant):.2f}",
        variant.how,
    )


def _fast_enough(variant: Variant, by_hand: Variant) -> Target:
    # Two million statuses a second were a quarter of it on the machine where they were promised.
    ratio = by_hand.micros / variant.micros

    return Target(
        variant.name.strip("*") + ", against the loop by hand",
        "at least a quarter of its speed",
        f"{ratio:.2f} times",
        ratio >= 0.25,
    )
