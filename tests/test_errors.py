"""
Errors carry their facts, and say them in one harmless line.
"""

import copy
import pickle
from enum import Enum

import pytest

from runstate import RUN, RunEngine, errors
from runstate.errors import (
    DefinitionError,
    GuardRefusedError,
    IllegalTransitionError,
    LifecycleError,
    LifecycleFieldError,
    MissingExtraError,
    MoveRefusedError,
    PayloadError,
    RunstateError,
    StatusMapError,
    UnknownTriggerError,
    WrongObjectError,
)

LIVE = ("start", "request_cancel")
HOSTILE = "run\n\x1b[2J\u202e\ud800"
SHOWN = r"run\n\x1b[2J\u202e\ud800"

EVERY = {
    "lifecycle 'door' has 1 fault: no status is terminal": LifecycleError(
        "door", ["no status is terminal"]
    ),
    "lifecycle 'door' has 2 faults: one; two": LifecycleError("door", iter(["one", "two"])),
    "lifecycle 'door' has 0 faults: ": LifecycleError("door", []),
    "door.toml: transitions[2].source: Field required": DefinitionError(
        "door.toml", "transitions[2].source", "Field required"
    ),
    "door.toml: is larger than 5 bytes": DefinitionError("door.toml", "", "is larger than 5 bytes"),
    "RunResponse.status belongs to the lifecycle: fire a trigger on an engine instead of "
    "assigning it": LifecycleFieldError("RunResponse", "status"),
    "the format png needs Pillow: pip install 'runstate[png]'": MissingExtraError(
        "the format png", "Pillow", "png"
    ),
    "run 'run_1' is completed: cannot start (allowed: nothing, completed is terminal)": (
        IllegalTransitionError("run_1", "completed", "start", "in_progress", (), "complete")
    ),
    "run 'run_1' is paused: cannot start (allowed: nothing, paused is no status of the lifecycle)": (
        IllegalTransitionError(
            "run_1", "paused", "start", "in_progress", (), None, known_status=False
        )
    ),
    "run 'run_1' is queued: cannot complete (allowed: start, request_cancel)": (
        IllegalTransitionError("run_1", "queued", "complete", "completed", LIVE)
    ),
    "run is queued: cannot complete (allowed: start, request_cancel)": (
        IllegalTransitionError(None, "queued", "complete", "completed", iter(LIVE))
    ),
    "run 'run_1' is queued: no trigger 'strat' (did you mean 'start'?)": (
        UnknownTriggerError("run_1", "queued", "strat", LIVE, LIVE)
    ),
    "run 'run_1' is queued: no trigger 'xyz' (known: start, request_cancel)": (
        UnknownTriggerError("run_1", "queued", "xyz", LIVE, LIVE)
    ),
    "run 'run_1' is queued: a guard refused start": (
        GuardRefusedError("run_1", "queued", "start", "in_progress", LIVE)
    ),
    "run 'run_1' is queued: a guard refused start: no budget": (
        GuardRefusedError("run_1", "queued", "start", "in_progress", LIVE, "no budget")
    ),
    "run 'run_1' is in_progress: cannot fail: 'last_error' is required": (
        PayloadError(
            "run_1", "in_progress", "fail", "failed", ("fail",), "'last_error' is required"
        )
    ),
}


@pytest.mark.parametrize(("message", "error"), EVERY.items(), ids=range(len(EVERY)))
def test_error_says_its_facts(message, error):
    """
    The message is derived from the facts, on one line, without a period at its end.
    """
    assert message == str(error)


@pytest.mark.parametrize("error", EVERY.values(), ids=range(len(EVERY)))
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_error_survives_pickling(error, protocol):
    """
    An error comes back from a pickle, and from a copy, as what it was, with all its facts.
    """
    for back in (pickle.loads(pickle.dumps(error, protocol)), copy.deepcopy(error)):
        assert (type(error), vars(error), error.args, str(error)) == (
            type(back),
            vars(back),
            back.args,
            str(back),
        )


def test_error_attributes():
    """
    Each kind of refusal carries who, where, what was wanted and what would have worked.
    """
    base = {
        "run_id": "run_1",
        "status": "queued",
        "trigger": "x",
        "target": None,
        "allowed": LIVE,
    }
    facts = ("run_1", "queued", "x", None, LIVE)

    assert [
        base | {"beaten_by": "expire", "known_status": True, "reason": ""},
        base | {"beaten_by": None, "known_status": True, "reason": ""},
        base | {"known": ("a",)},
        base | {"reason": "why"},
        base | {"reason": ""},
        base | {"reason": "why"},
    ] == [
        vars(IllegalTransitionError(*facts, "expire")),
        vars(IllegalTransitionError(*facts)),
        vars(UnknownTriggerError("run_1", "queued", "x", ["a"], LIVE)),
        vars(GuardRefusedError(*facts, "why")),
        vars(GuardRefusedError(*facts)),
        vars(PayloadError(*facts, "why")),
    ]


def test_error_tree():
    """
    One except clause catches all of them, and one all refusals; others fit Python's own.
    """
    tree = {
        LifecycleError: ValueError,
        StatusMapError: ValueError,
        DefinitionError: ValueError,
        LifecycleFieldError: AttributeError,
        MissingExtraError: ImportError,
        WrongObjectError: TypeError,
        MoveRefusedError: RunstateError,
        IllegalTransitionError: MoveRefusedError,
        UnknownTriggerError: MoveRefusedError,
        GuardRefusedError: MoveRefusedError,
        PayloadError: MoveRefusedError,
    }

    assert {*tree, RunstateError} == {getattr(errors, name) for name in errors.__all__}
    for kind, parent in tree.items():
        assert issubclass(kind, RunstateError)
        assert issubclass(kind, parent)
    assert str(RunstateError("said")) == "said"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (LifecycleError(HOSTILE, [HOSTILE]), f"lifecycle '{SHOWN}' has 1 fault: {SHOWN}"),
        (StatusMapError(HOSTILE, [HOSTILE, "x"]), f"map '{SHOWN}' has 2 faults: {SHOWN}; x"),
        (DefinitionError(HOSTILE, HOSTILE, HOSTILE), f"{SHOWN}: {SHOWN}: {SHOWN}"),
        (
            IllegalTransitionError(HOSTILE, HOSTILE, "start", None, ()),
            f"run '{SHOWN}' is {SHOWN}: cannot start (allowed: nothing, {SHOWN} is terminal)",
        ),
        (
            UnknownTriggerError("r", "queued", HOSTILE, ["go"], ()),
            f"run 'r' is queued: no trigger '{SHOWN}' (known: go)",
        ),
        (
            GuardRefusedError("r", "queued", "start", None, (), HOSTILE),
            f"run 'r' is queued: a guard refused start: {SHOWN}",
        ),
        (
            PayloadError("r", "queued", "start", None, (), HOSTILE),
            f"run 'r' is queued: cannot start: {SHOWN}",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_error_escapes_hostile_text(error, message):
    """
    Text from elsewhere neither breaks the line nor reaches the terminal as it is.
    """
    assert message == str(error)
    assert message.isprintable()


def test_unknown_trigger_may_be_anything(engine: RunEngine):
    """
    What is no string is no trigger either, and the error says so like any other.
    """

    class Trigger(Enum):
        """
        An Enum whose members are no strings.
        """

        START = "start"

    run = engine.create(id="run_1")
    with pytest.raises(UnknownTriggerError) as caught:
        engine.fire(run, Trigger.START)  # type: ignore[arg-type]

    assert str(caught.value) == (
        "run 'run_1' is queued: no trigger 'Trigger.START' (known: " + ", ".join(RUN.triggers) + ")"
    )
