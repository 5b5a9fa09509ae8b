"""
What is usual takes a short way, in the readers and in the monitor: it says what the long way says.
"""

import io
import json
import random
import tracemalloc

import pytest

from runstate import RUN, Lifecycle, Monitor, Observation, Transition
from runstate.presets import PRESETS
from runstate.readers import Columns, _record, read

BORN = 1_767_225_600
OWN = Lifecycle(
    "job",
    [Transition("start", "new", "busy"), Transition("end", "busy", "done")],
    "new",
    {"done": "success"},
)
IDS = ["a", "b", "run 3", "é", "x" * 512, "x" * 513, "", "NULL", "a\u200b", " "]
TIMES = [
    BORN, BORN + 1, BORN + 1.5, str(BORN), "", "NULL", "1e9", "2026-01-01T00:00:00Z", "2026-01-01T00:00:02+00:00",
    "2026-01-01 00:00:03.25+02:00", "2026-01-01T00:00:00", "20260101", "0001-01-01T00:00:00Z", "٣٤", "yesterday", -1,
    BORN * 1000, "2026-01-01T00:00:00." + "1" * 50 + "Z", "9999-12-31T23:59:59-10:00",
]  # fmt: skip
ODD = [None, 7, 1.5, True, [], {}, {"status": "queued"}]
MORE = [
    "object",
    "event",
    "id",
    "ID",
    "Status",
    "created_at",
    "timestamp",
    "note",
    "data",
    "model",
    "error",
    "attempt",
]


def long_way(monkeypatch):
    """
    Read every record and judge every observation the long way.
    """
    monkeypatch.setattr(_record, "plain_of", lambda *_: None)
    monkeypatch.setattr(Monitor, "_is_usual", lambda *_: False)


def records(lifecycle, seed, odd=()):
    """
    Return some records of one kind of keys: most are usual.
    """
    chance = random.Random(seed)  # noqa: S311
    keys = [chance.choice(["run_id", "id", lifecycle.id_field]), lifecycle.status_field]
    keys += chance.choice([[], ["at"], ["observed_at"], ["at"]])
    keys += chance.choice([[], [], [chance.choice(MORE)]])
    chance.shuffle(keys)
    usual = {"at": TIMES[:3] if chance.random() < 0.5 else TIMES[7:10]}
    made = []
    for _ in range(30):
        record = {}
        for key in keys:
            values = usual.get("at") if key in ("at", "observed_at") else IDS[:3]
            values = list(lifecycle.statuses) if key == lifecycle.status_field else values
            if chance.random() < 0.08:
                values = [
                    *(TIMES if key in ("at", "observed_at") else [*IDS, "queued", "nonsense"]),
                    *odd,
                ]
            record[key] = chance.choice(values)
        made.append(record)

    return made


def as_table(rows):
    """
    Return *rows* as CSV.
    """
    cells = [[*rows[0]], *([str(value) for value in row.values()] for row in rows)]
    lines = [",".join(row) for row in cells]

    return ("\n".join(lines) + "\n").encode()


def said(data, name, lifecycle, columns):
    """
    Return what reading *data* says, and what is remarked on it.
    """
    remarks = []
    reads = [
        *read(
            io.BytesIO(data), name=name, lifecycle=lifecycle, columns=columns, notice=remarks.append
        )
    ]

    return [(type(each), *each) for each in reads], remarks


@pytest.mark.parametrize("seed", range(60))
def test_the_readers_say_the_same_both_ways(seed, monkeypatch):
    """
    Tables and JSON lines of few keys are read alike, whatever is in a cell.
    """
    lifecycle = [
        RUN,
        OWN,
        PRESETS["openai-batch"],
        PRESETS["langgraph-run"],
        PRESETS["dagster-run"],
    ][seed % 5]
    table, lines = records(lifecycle, seed), records(lifecycle, seed, ODD)
    keys = [*lines[0]]
    named = [
        Columns(),
        Columns(at="at"),
        Columns(at="none"),
        Columns(run_id=keys[0]),
        Columns(status=keys[-1]),
        Columns(at=keys[0]),
    ]
    inputs = [
        (as_table(table), "x.csv"),
        ("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in lines).encode(), "x.jsonl"),
    ]
    short = [said(data, name, lifecycle, columns) for data, name in inputs for columns in named]
    long_way(monkeypatch)

    assert short == [
        said(data, name, lifecycle, columns) for data, name in inputs for columns in named
    ]


def test_usual_records_take_the_short_way(monkeypatch):
    """
    Of a plain log, no record but the first with a zone is interpreted, and no run but one with a finding is spread out.
    """
    rows = [
        {"run_id": f"r{n}", "status": status, "at": f"2026-01-01T00:00:{t:02}Z"}
        for n in range(20)
        for t, status in enumerate(("queued", "in_progress", "completed"))
    ]
    rows.append({"run_id": "r7", "status": "in_progress", "at": "2026-01-01T00:01:00Z"})
    for data, name in (
        (as_table(rows), "x.csv"),
        ("\n".join(map(json.dumps, rows)).encode(), "x.jsonl"),
    ):
        asked = []
        monkeypatch.setattr(
            _record.Interpreter, "_snapshot",
            lambda self, *a, real=_record.Interpreter._snapshot, asked=asked: asked.append(a) or real(self, *a),
        )  # fmt: skip
        monitor = Monitor()
        found = [
            f.code for each in read(io.BytesIO(data), name=name) for f in monitor.observe(each)
        ]
        whole = [run for run in monitor._runs.values() if type(run) is not tuple]

        assert (["RS105"], 0, 1) == (found, len(asked), len(whole))


def history(seed, lifecycle):
    """
    Return observations of a few runs: most are legal and in order.
    """
    chance = random.Random(seed)  # noqa: S311
    at, status, seen = BORN, {}, []
    for _ in range(60):
        run = chance.choice("abcdef")
        ways = [row.target for row in lifecycle if row.source == status.get(run)] or list(
            lifecycle.initial_statuses
        )
        now = status[run] = str(
            chance.choice([*ways, *ways, *ways, chance.choice(lifecycle.statuses)])
        )
        at += chance.choice([1, 1, 1, 0, -1])
        fields = chance.choice([{}, {"status": now}, {"status": now}, {"created_at": BORN}])
        more = chance.choice(
            [
                {},
                {},
                {},
                {"seq": 1},
                {"trigger": "create"},
                {"attempt": 2},
                {"source": "queued"},
                {"line": 3},
            ]
        )
        seen.append(
            Observation(
                chance.choice([now, now, now, "nonsense"]),
                run,
                chance.choice([at, at, None]),
                fields,
                **more,
            )
        )

    return seen


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("observed", ["complete", "polled", "unordered"])
def test_the_monitor_says_the_same_both_ways(seed, observed, monkeypatch):
    """
    Findings, counts and what is said at the end are those of the long way, in every model.
    """
    lifecycle = [RUN, OWN, PRESETS["airflow-dag-run"], PRESETS["openai-batch"]][seed % 4]
    limits = {str(lifecycle.statuses[0]): 2.0} if seed % 3 == 0 else None
    seen = history(seed, lifecycle)

    def told():
        monitor = Monitor(lifecycle, observed=observed, limits=limits)
        found = [monitor.observe(each) for each in seen]
        counts = (
            monitor.runs,
            monitor.observations,
            monitor.undecided,
            monitor.tied,
            monitor.reopened,
            monitor.compared,
        )
        end = monitor.overdue(BORN + 40), monitor.finish(finished=seed % 2 == 0, now=BORN + 99)
        anew = [
            [*monitor.observe_history([each for each in seen if each.run_id == run])]
            for run in sorted(monitor.contradicting) or ["a"]
        ]
        return found, counts, end, anew, monitor.tied, monitor.reopened, monitor.observations

    short = told()
    long_way(monkeypatch)

    assert short == told()


def test_a_usual_run_takes_little_memory():
    """
    A live run of which statuses were seen takes 250 bytes at most besides its id.
    """
    ids = [f"run_{n}" for n in range(20_000)]
    monitor = Monitor()
    tracemalloc.start()
    for line, run_id in enumerate(ids, 1_000):
        monitor.observe(
            Observation(
                "queued", run_id, BORN + line / 8, {"status": "queued"}, None, None, "x.csv", line
            )
        )
        monitor.observe(
            Observation(
                "in_progress",
                run_id,
                BORN + line / 4,
                {"status": "in_progress"},
                None,
                None,
                "x.csv",
                line + 1,
            )
        )
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert size <= 250 * len(ids)
