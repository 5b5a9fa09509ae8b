"""
What can be wrong with an observed history: one rule a code.

Codes are stable and never reused. RS1xx is about statuses and their order, RS2xx
about what a snapshot holds, RS3xx about time passing, RS9xx about records that
cannot be read. A rule's *example* is a history that breaks it; the suite runs
every one of them.

A finding is an error where the table excludes what was seen, and a warning where
real services are known to do it anyway (the lifecycle's deviations, each with its
source) or where the rule is about haste rather than possibility.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ..lifecycle._rows import Transition
from ..lifecycle._table import Lifecycle
from ._records import Observation, Severity

__all__ = ["RULES", "Rule"]


class Rule(NamedTuple):
    """
    One rule, documented.

    Example:
        >>> rule = RULES["RS105"]
        >>> rule.title, rule.severity
        ('something after a terminal status', 'error')
        >>> print(rule.instead)
        Guard the write by the status it expects: UPDATE ... WHERE id = ? AND status IN (...).
    """

    code: str
    """The code, such as ``RS105``."""
    severity: Severity
    """How severe by default; a lifecycle's deviations turn an error into a warning."""
    title: str
    """The problem, in a few words."""
    what: str
    """What it looks for."""
    why: str
    """Why that is wrong."""
    instead: str
    """What to do about it."""
    evidence: str
    """Where the rule comes from."""
    example: Any
    """Arguments of ``check`` that break it, or a line of JSON that does; None where it is too large."""


def _catalogue(*rules: Rule) -> Mapping[str, Rule]:
    return MappingProxyType({rule.code: rule for rule in rules})


_BORN = 1_700_000_000
_QUEUED = {"id": "run_1", "created_at": _BORN, "status": "queued"}
_STARTED = {**_QUEUED, "status": "in_progress", "started_at": _BORN + 1}
_ENDED = {**_STARTED, "status": "completed", "completed_at": _BORN + 9}

_RETRIED = Lifecycle(
    "retried-job",
    (
        Transition("start", "pending", "running"),
        Transition("fail", "running", "failed"),
        Transition("retry", "failed", "pending", reopens=True),
    ),
    "pending",
    {"failed": "failure"},
)

RULES: Final[Mapping[str, Rule]] = _catalogue(
    Rule(
        "RS101",
        "error",
        "status that the lifecycle does not know",
        what="A status that no row of the table names.",
        why="A poller that waits for one of the statuses it knows waits for ever on a misspelt or new one.",
        instead="Correct the writer, or check against the lifecycle that has it (--lifecycle), or extend the table.",
        evidence="openai-python #1407 and semantic-kernel #9364 both looped on a status that their list lacked.",
        example={"history": ["queued", "runing"]},
    ),
    Rule(
        "RS102",
        "error",
        "history does not begin as a run can begin",
        what="Under the model complete, a first status that is not an initial one.",
        why="If every change was seen, the first one seen is the creation.",
        instead="If the beginning of the log is missing, check it as polled.",
        evidence="Every recorded creation, about 150, answers queued.",
        example={"history": ["in_progress", "completed"]},
    ),
    Rule(
        "RS103",
        "error",
        "illegal move",
        what="Under the model complete, two statuses in succession that no row connects.",
        why="Every change was seen, so this was one move, and the table has no such move.",
        instead="The hint names the shortest legal path. If statuses may have been missed, check as polled.",
        evidence="The table itself; each row carries its source.",
        example={"history": ["queued", "completed"]},
    ),
    Rule(
        "RS104",
        "error",
        "unreachable move",
        what="Under the model polled, a status that cannot be reached from the one before, in any number of moves.",
        why="Missing a poll explains a gap, but no number of missed polls leads there.",
        instead="Look for two writers, or for two runs under one id.",
        evidence="The table's reachability.",
        example={"history": ["cancelling", "queued"], "observed": "polled"},
    ),
    Rule(
        "RS105",
        "error",
        "something after a terminal status",
        what="A different status after one that ends a run.",
        why="Terminal statuses are absorbing. A late or stale writer has overwritten the outcome.",
        instead="Guard the write by the status it expects: UPDATE ... WHERE id = ? AND status IN (...).",
        evidence="dagster#34175, river#1302, oban#1496, prefect#23025: all are this.",
        example={"history": ["queued", "in_progress", "completed", "failed"]},
    ),
    Rule(
        "RS106",
        "error",
        "statuses that cannot belong to one run",
        what="Under the model unordered, a set of statuses that fits on no legal path.",
        why="Whatever the order of delivery, one run cannot have had all of them; two outcomes are the usual case.",
        instead="Look for two writers that both ended the run.",
        evidence="The statuses' components must form a chain of reachability.",
        example={"history": ["completed", "queued", "failed"], "observed": "unordered"},
    ),
    Rule(
        "RS107",
        "error",
        "history ends before a terminal status",
        what="A run whose last status is not terminal, where the history was declared finished.",
        why="A log that is declared finished should show the end of every run in it.",
        instead="Look for a worker that died, or leave --finished out if runs are still under way.",
        evidence="The caller asked for it.",
        example={"history": ["queued", "in_progress"], "finished": True},
    ),
    Rule(
        "RS108",
        "warning",
        "time runs backwards between observations",
        what="An observation made earlier than the one that precedes it, of the same run; of places that contradict times, the first of each run.",
        why="Either the order or a clock is wrong. A file is judged by time, a numbered history by number.",
        instead="Sort by time, number the observations (seq), or check as unordered; --order file trusts the places.",
        evidence="Clocks of several machines disagree; webhooks arrive out of order.",
        example={
            "history": [Observation("in_progress", at=_BORN + 5), Observation("queued", at=_BORN)]
        },
    ),
    Rule(
        "RS109",
        "warning",
        "reopened, or a late writer",
        what="A status after a terminal one that a row of the lifecycle can reopen, where the record names neither that row's trigger nor a larger attempt.",
        why="A retry by hand and a stale writer that overwrites the outcome look the same without the number of the attempt.",
        instead="Record the attempt (attempt, --attempt), or the trigger. --allow-reopen takes every such status for a retry.",
        evidence="The rows of the lifecycle that reopen. With an attempt that is not larger, it is RS105.",
        example={
            "history": ["pending", "running", "failed", "pending"],
            "lifecycle": _RETRIED,
        },
    ),
    Rule(
        "RS201",
        "error",
        "stamp missing that the status requires",
        what="A snapshot whose stamp is null although every way to its status sets it.",
        why="The writer of the status did not write the time that belongs to it, so durations and timeouts cannot be computed.",
        instead="Set status and stamp in one write.",
        evidence="started_at is set in all 426 recorded snapshots in_progress, completed_at in all 65 completed.",
        example={"history": [{**_STARTED, "started_at": None}], "observed": "polled"},
    ),
    Rule(
        "RS202",
        "error",
        "stamp set that the status excludes",
        what="A snapshot with a stamp that no way to its status sets.",
        why="The run claims to have ended and to be under way, or to have ended twice.",
        instead="Look for a second writer, or for an object that was saved again from a stale copy.",
        evidence="completed_at is null in all 617 recorded snapshots before the end.",
        example={"history": [{**_QUEUED, "completed_at": _BORN + 9}]},
    ),
    Rule(
        "RS203",
        "error",
        "stamps out of order",
        what="Two stamps of one snapshot that contradict the order of the moves that set them. A warning where one is only implausibly late.",
        why="A run cannot start before it is created, nor end before it starts.",
        instead="Take all stamps from one clock, and clamp it where it steps back.",
        evidence="completed_at is later than started_at in 67 of 67 recordings, and started_at never before created_at.",
        example={"history": [{**_ENDED, "completed_at": _BORN}], "observed": "polled"},
    ),
    Rule(
        "RS204",
        "error",
        "detail missing that the status requires",
        what="A snapshot without the detail that its status is about: last_error, required_action, incomplete_details.",
        why="A requires_action without its calls cannot be answered, and a failure without its error cannot be explained.",
        instead="Set status and detail in one write.",
        evidence="required_action is set in 40 of 40 recorded snapshots in requires_action, last_error in 4 of 4 failed.",
        example={
            "history": [{**_STARTED, "status": "requires_action", "required_action": None}],
            "observed": "polled",
        },
    ),
    Rule(
        "RS205",
        "error",
        "detail set that the status excludes",
        what="A snapshot with a detail that belongs to another status.",
        why="Clients act on a stale detail: they submit outputs to a run that does not wait for them.",
        instead="Clear the detail in the write that leaves its status.",
        evidence="required_action is null in all recorded snapshots of other statuses.",
        example={
            "history": [{**_STARTED, "required_action": {"type": "submit_tool_outputs"}}],
            "observed": "polled",
        },
    ),
    Rule(
        "RS206",
        "error",
        "usage before the end",
        what="A snapshot that counts usage although the run has not ended.",
        why="Usage is final only at the end; a bill from an earlier value is wrong.",
        instead="Read usage from the terminal snapshot.",
        evidence="null in all 608 live snapshots before the end; an example in the vendor's specification contradicts it.",
        example={
            "history": [
                {
                    **_STARTED,
                    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
                }
            ],
            "observed": "polled",
        },
    ),
    Rule(
        "RS207",
        "error",
        "identity changed between snapshots of one run",
        what="A field that never changes, such as thread_id, with another value than before.",
        why="Two runs are mixed under one id, or one was overwritten by another.",
        instead="Look at how ids are made and how rows are keyed.",
        evidence="Constant in every recording.",
        example={
            "history": [{**_QUEUED, "thread_id": "thread_1"}, {**_STARTED, "thread_id": "thread_2"}]
        },
    ),
    Rule(
        "RS208",
        "error",
        "stamp rewritten that may not change",
        what="A stamp with another value than before, although no move in between writes it.",
        why="History is being rewritten; created_at above all never changes.",
        instead="Write a stamp only in the move that it belongs to.",
        evidence="started_at changes exactly on entering in_progress (9 of 9 recordings), created_at never.",
        example={"history": [_QUEUED, {**_STARTED, "created_at": _BORN + 1}]},
    ),
    Rule(
        "RS301",
        "warning",
        "overdue: not ended though expires_at has passed",
        what="A run that is not terminal later than its expires_at.",
        why="No process expires it, and its thread stays locked.",
        instead="Sweep runs past their deadline; look for a dead worker.",
        evidence="'Sometimes runs will get stuck in Cancelling state' (OpenAI-DotNet TestFixture_03_Threads.cs).",
        example={
            "history": [
                Observation("in_progress", at=_BORN + 700, fields={"expires_at": _BORN + 600})
            ],
            "observed": "polled",
        },
    ),
    Rule(
        "RS302",
        "warning",
        "stuck in a status longer than its limit",
        what="A run that has kept one status longer than the limit given for it.",
        why="A stuck run blocks its thread and its slot, and its user waits.",
        instead="Look at the worker that held it. Give cancelling a limit first.",
        evidence="prefect#4490, #17563; dagster#13155; open-assistant-api#50.",
        example={
            "history": [Observation("queued", at=_BORN), Observation("queued", at=_BORN + 99)],
            "limits": {"queued": 60},
        },
    ),
    Rule(
        "RS901",
        "error",
        "record unreadable",
        what="A record that does not follow its format, or holds a value of the wrong kind.",
        why="A record that cannot be read cannot be judged; the rest of the file is still checked.",
        instead="Correct the writer; the message says what was expected.",
        evidence="Logs are truncated, badly encoded or forged.",
        example=b'{"id": "run_1", "status": ',
    ),
    Rule(
        "RS902",
        "error",
        "field missing",
        what="A record without the status or the run id.",
        why="Without both, the record belongs to no history.",
        instead="Name the keys with --run-id and --status; dots lead into nested objects.",
        evidence="Exporters rename columns.",
        example=b'{"id": "run_1", "state": "queued"}',
    ),
    Rule(
        "RS903",
        "error",
        "duplicate key",
        what="A record that gives the same key twice, or an event of a journal that is there twice with different content.",
        why="Parsers silently keep the last one, so two readers of one record may disagree.",
        instead="Correct the writer.",
        evidence="JSON leaves the meaning of duplicate names open (RFC 8259, section 4).",
        example=b'{"id": "run_1", "status": "queued", "status": "completed"}',
    ),
    Rule(
        "RS904",
        "error",
        "record too large",
        what="A record beyond the cap of 16 MiB.",
        why="One record would use up the memory.",
        instead="Leave instructions and outputs out of status logs.",
        evidence="A run with all its fields is a few KiB.",
        example=None,
    ),
)
"""Every rule by its code, in the order of the codes."""
