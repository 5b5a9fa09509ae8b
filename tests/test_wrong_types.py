"""
What is not a lifecycle, and not a trigger, is refused wherever one is taken, by one error.
"""

from io import BytesIO
from types import SimpleNamespace

import pytest

from runstate import (
    RUN,
    Engine,
    Lifecycle,
    Monitor,
    RunEngine,
    UnknownTriggerError,
    check,
)
from runstate.ddl import guard_sql
from runstate.diagrams import draw
from runstate.errors import WrongObjectError
from runstate.frames import survey_files
from runstate.readers import read
from runstate.store import RunStore, Store

TAKERS = {
    "engine": Engine,
    "run engine": RunEngine,
    "check": lambda found: check(["queued"], found),
    "check a list with times": lambda found: check([{"id": 1, "status": "queued"}], found),
    "monitor": Monitor,
    "store": lambda found: Store.open("sqlite://", found),
    "store of runs": lambda found: RunStore.open("sqlite://", lifecycle=found),
    "picture": lambda found: draw(found, "svg"),
    "guard": lambda found: guard_sql(found, "sqlite"),
    "reader": lambda found: read(BytesIO(b"{}"), lifecycle=found),
    "bulk": lambda found: survey_files(__file__, found),
}


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("found", ["openai-batch", None, 5, {"name": "x"}, Lifecycle, [RUN]])
def test_what_is_no_lifecycle_is_refused_in_one_line(taker, found):
    """
    The name of a preset is what people try, and the message says where the preset is.
    """
    with pytest.raises(WrongObjectError, match=r"^expected a Lifecycle") as refused:
        TAKERS[taker](found)
    assert 1 == len(str(refused.value).splitlines())
    assert ("PRESETS['openai-batch']" in str(refused.value)) == (found == "openai-batch")


@pytest.mark.parametrize("found", ["machine", None, RUN])
def test_what_is_no_machine_is_refused_in_one_line(found):
    """
    A model that a machine drives is none either.
    """
    with pytest.raises(WrongObjectError, match=r"^expected a Machine of transitions, got "):
        Lifecycle.from_machine(found)


@pytest.mark.parametrize("trigger", [["start"], {}, None, 5, object()])
@pytest.mark.parametrize("actor", [{}, {"actor": "alice"}])
def test_what_is_no_trigger_is_unknown(trigger, actor):
    """
    Whether it could be looked up or not.
    """
    with pytest.raises(UnknownTriggerError):
        RunEngine().fire(RunEngine().create(), trigger, **actor)
    with pytest.raises(UnknownTriggerError):
        Engine(RUN).fire(SimpleNamespace(status="queued"), trigger, **actor)
