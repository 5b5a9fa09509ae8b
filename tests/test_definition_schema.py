"""
The JSON Schema of definition files says what reading them says.
"""

import copy
import json

import pytest
from jsonschema import Draft202012Validator

from definitions import defined, printed_schema
from runstate import DefinitionError
from runstate.diagrams import draw
from runstate.presets import PRESETS
from test_conditions import reader
from test_reopening import job
from test_shapes import SHAPES
from test_shapes import job as shaped

SCHEMA = Draft202012Validator(printed_schema())
EVERY = [*PRESETS.values(), job(), reader(), shaped(*SHAPES)]


def test_the_schema_is_one():
    """
    It passes the check of its own draft, names no file, and explains every key.
    """
    schema = printed_schema()
    Draft202012Validator.check_schema(schema)

    assert "https://json-schema.org/draft/2020-12/schema" == schema["$schema"]
    parts = [schema, *schema["$defs"].values()]
    for part in parts:
        for name, what in part["properties"].items():
            assert what.get("description"), (part["title"], name)


@pytest.mark.parametrize("lifecycle", EVERY, ids=lambda lifecycle: lifecycle.name)
def test_what_is_printed_passes_the_schema(lifecycle):
    """
    The JSON of every preset, and of lifecycles with rows that reopen and with conditions.
    """
    definition = json.loads(draw(lifecycle, "json"))

    SCHEMA.validate(definition)
    assert lifecycle == defined({**definition, "$schema": "lifecycle.schema.json"})


DEFINITION = {
    "name": "door",
    "initial": ["shut", "open"],
    "terminal": {"gone": "failure"},
    "transitions": [
        {"trigger": "push", "source": "shut", "target": "open", "when": "free"},
        {"trigger": "break", "source": ["shut", "open"], "target": "gone"},
    ],
    "entries": [{"status": "open", "stamps": ["opened_at"]}],
    "deadline": {"field": "expires_at", "seconds": 5, "longest": 9},
    "deviations": [{"code": "RS202", "field": "opened_at"}],
    "shapes": [{"id": ["a", ["b", "c"]], "status": "s", "words": {"x": "open"}, "null": "shut"}],
}


@pytest.mark.parametrize(
    "path",
    [
        ("name",), ("initial",), ("initial", 0), ("terminal", "gone"), ("transitions", 0),
        ("transitions", 0, "source"), ("transitions", 0, "when"), ("transitions", 1, "source", 1),
        ("transitions", 1, "evidence"), ("transitions", 1, "reopens"), ("entries", 0, "stamps"),
        ("entries", 0, "status"), ("deadline", "seconds"), ("deviations", 0, "code"), ("unknown",),
        ("transitions", 0, "unknown"), ("entries", 0, "unknown"), ("shapes", 0), ("shapes", 0, "id"),
        ("shapes", 0, "id", 0), ("shapes", 0, "id", 1), ("shapes", 0, "id", 1, 0),
        ("shapes", 0, "status"), ("shapes", 0, "words"), ("shapes", 0, "words", "x"),
        ("shapes", 0, "null"), ("shapes", 0, "ignore_case"), ("shapes", 0, "unknown"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [7.5, -1, None, {}, "", [5]], ids=repr)
def test_what_the_schema_refuses_cannot_be_read(path, value):
    """
    One value of a definition replaced by another: the two agree on whether it is well formed.
    """
    definition = copy.deepcopy(DEFINITION)
    SCHEMA.validate(definition)
    part = definition
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    try:
        defined(definition)
    except DefinitionError:
        read = False
    except Exception:  # noqa: BLE001  well formed, and the table contradicts itself
        read = True
    else:
        read = True

    assert SCHEMA.is_valid(definition) == read
