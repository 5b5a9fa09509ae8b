"""
JSON documents: a broken element costs itself, and no more than it must.
"""

import json
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_limits import lower
from runstate import Finding
from runstate.presets import PRESETS
from runstate.readers import json as document
from runstate.readers import read


def run(run_id, **more):
    """
    Return the JSON of a run object.
    """
    return json.dumps({"id": run_id, "status": "queued", **more})


def told(text, **options):
    """
    Return what *text* says: code, line and message of findings; status, run and line of the rest.
    """
    data = text if isinstance(text, bytes) else text.encode()

    return [
        (item.code, item.line, item.message)
        if isinstance(item, Finding)
        else (item.status, item.run_id, item.line)
        for item in read(BytesIO(data), **{"name": "runs.json", **options})
    ]


NESTED = {"required_action": {"x": [{"y": [[]]}, ']}\\"[{']}, "metadata": {"a": "\\"}}


@pytest.mark.parametrize(
    ("indent", "lines"),
    [(None, [2, 2, 2]), (0, [3, 20, 37]), (2, [3, 20, 37]), ("\t", [3, 20, 37])],
)
@pytest.mark.parametrize("portion", [1, 3, 1 << 16])
def test_array(monkeypatch, indent, lines, portion):
    """
    The elements of an array are read one by one, each with the line it begins in.
    """
    lower(monkeypatch, portion=portion)
    text = json.dumps([json.loads(run(name, **NESTED)) for name in "abc"], indent=indent)

    assert [("queued", name, line) for name, line in zip("abc", lines, strict=True)] == told(
        " \n" + text
    )


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ("5", "a record must be a JSON object, not 5"),
        ("null", "a record must be a JSON object, not null"),
        ('"]},{["', "a record must be a JSON object, not ']},{['"),
        ("[{}]", "a record must be a JSON object, not an array"),
        ("nope", "not JSON: a value is missing or misspelt (column 2)"),
        ("}", "not JSON: a value is missing or misspelt (column 1)"),
        ('{"id": NaN}', "not JSON: a value is missing or misspelt (column 8)"),
        ('{"id": 1\n, "x"}', "not JSON: a colon is missing after a key (line 4, column 6)"),
        ('{"id": "a}', "not JSON: a string does not end in its line"),
        ('{"id": "a\\', "not JSON: a string does not end in its line"),
        ('"abc', "not JSON: a string does not end in its line"),
        ('{"id": [1, 2}', "not JSON: a bracket is closed by one of the other kind"),
        ("[" * 2_000, "not JSON: it is nested too deeply"),
        ('{"a":' * 300 + "1" + "}" * 300, "not JSON: it is nested too deeply (column 1006)"),
    ],
    ids=lambda value: value[:16],
)
@pytest.mark.parametrize("portion", [1, 1 << 16])
def test_broken_element(monkeypatch, portion, element, expected):
    """
    A broken element is one finding, and the elements around it are read.
    """
    lower(monkeypatch, portion=portion)
    found = told(f"[\n{run('a')},\n{element},\n{run('b')}\n]\n")

    assert [
        ("queued", "a", 2),
        ("RS901", 3, expected),
        ("queued", "b", 4 + element.count("\n")),
    ] == found


def test_commas():
    """
    A comma too many or too few is a finding, and the elements are read all the same.
    """
    text = f"[,\n{run('a')}\n{run('b')},,\n{run('c')},\n]"
    expected = [
        ("RS901", 1, "not JSON: an element is missing before a comma"),
        ("queued", "a", 2),
        ("RS901", 3, "not JSON: a comma is missing before an element"),
        ("queued", "b", 3),
        ("RS901", 3, "not JSON: an element is missing before a comma"),
        ("queued", "c", 4),
        ("RS901", 5, "not JSON: an element is missing after a comma"),
    ]

    assert expected == told(text)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("", [("RS901", 2, "not JSON: the array does not end")]),
        (",", [("RS901", 2, "not JSON: the array does not end")]),
        (',\n{"id": "b", "sta', [("RS901", 3, "not JSON: a string does not end in its line")]),
        (',\n{"id": "b",\n\n', [("RS901", 3, "not JSON: it ends in the middle")]),
        (",\n{", [("RS901", 3, "not JSON: it ends in the middle")]),
        (
            ",\n5",
            [
                ("RS901", 3, "a record must be a JSON object, not 5"),
                ("RS901", 3, "not JSON: the array does not end"),
            ],
        ),
        ("]\n]", [("RS901", 3, "not JSON: something follows the array")]),
        (
            ']\n{"id": "b", "status": "failed"}\n[{"id": "c", "status": "failed"}]',
            [("failed", "b", 3), ("failed", "c", 4)],
        ),
        ("] x", [("RS901", 2, "not JSON: something follows the array")]),
    ],
)
def test_end_of_the_array(end, expected):
    """
    An array that breaks off, or does not end the input, is a finding after what it held.
    """
    assert [("queued", "a", 2), *expected] == told(f"[\n{run('a')}{end}")


def test_element_without_its_end_in_a_laid_out_array():
    """
    After an element that does not end, reading goes on at the next line that begins like it.
    """
    text = """\
[
  {
    "id": "a",
    "x": [
      {"id": "inner", "status": "queued"}

  },
  {
    "id": "b",
    "status": "queued"
  },
  {
    "id": "c",
    "sta"""
    expected = [
        ("RS901", 2, "not JSON: a bracket is closed by one of the other kind"),
        ("queued", "b", 8),
        ("RS901", 12, "not JSON: a string does not end in its line"),
    ]

    assert expected == told(text)


def test_element_that_swallows_the_rest():
    """
    An element whose bracket is missing is gone back to, so that those after it are read.
    """
    text = f'[\n{{"id": "a", "x": {{\n{run("b")},\n{run("c")}\n]\n'
    expected = [
        ("RS901", 2, "not JSON: a bracket is closed by one of the other kind"),
        ("queued", "b", 3),
        ("queued", "c", 4),
    ]

    assert expected == told(text)


@pytest.mark.parametrize("gap", ["", "\n"])
def test_element_beyond_the_cap(monkeypatch, gap):
    """
    An element that is too large is reported and passed over, in a line of its own or not.
    """
    lower(monkeypatch, record=60, portion=16)
    large = run("b", x="y" * 500, z=[[["]"]]])
    text = f"[{gap}{run('a')},{gap}{large},{gap}{run('c')}{gap}]"
    line = len(gap)
    expected = [
        ("queued", "a", 1 + line),
        ("RS904", 1 + 2 * line, "the record is larger than 60 bytes: passed over"),
        ("queued", "c", 1 + 3 * line),
    ]

    assert expected == told(text)


def test_going_back_is_bounded(monkeypatch):
    """
    A document in which nothing ends is read in time, not again and again.
    """
    lower(monkeypatch, record=10_000)
    found = told("[\n" + '{"a": [\n' * 5_000)

    assert {"RS901", "RS904"} >= {item[0] for item in found}
    assert 0 < len(found) < 2_000


def test_object_is_read_whole():
    """
    A document that is an object is one record, or a list of them, each in the line it begins in.
    """
    page = json.dumps({"data": [json.loads(run("b")), 5], "object": "list"}, indent=1)
    expected = [("queued", "b", 4), ("RS901", 2, "a record must be a JSON object, not 5")]

    assert [("queued", "a", 1)] == told(run("a"))
    assert expected == told("\n" + page)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5", "a record must be a JSON object, not 5"),
        ("nope", "not JSON: a value is missing or misspelt (column 2)"),
        ('{"id":\n "a",\n "sta', "not JSON: it ends in the middle (line 3, column 5)"),
    ],
)
def test_broken_document(text, message):
    """
    A document that is no array is read as one value, and broken as one.
    """
    assert [("RS901", 1, message)] == told(text)


def test_document_beyond_the_cap(monkeypatch):
    """
    An object that is too large to be read whole is refused.
    """
    monkeypatch.setattr(document, "LARGEST_DOCUMENT", 100)

    padded = run("a").removesuffix("}")
    assert [("queued", "a", 1)] == told(padded.ljust(99) + "}")
    assert [("RS904", 1, "the document is larger than 100 bytes: passed over")] == told(
        padded.ljust(100) + "}"
    )


def test_repeated_key_in_an_element():
    """
    Elements are minded for repeated keys like any record.
    """
    text = '[{"id": "a", "status": "x", "status": "y"}]'

    assert [("RS903", 1, "given more than once: 'status'")] == told(text)


LAYOUTS = st.sampled_from([None, 0, 2, "\t"])
"""How a document may be indented; None for one line."""
TEXTS = st.text(st.sampled_from('a{}[]"\\\n:,'), max_size=6)


@given(
    runs=st.lists(st.tuples(TEXTS, st.recursive(TEXTS, st.lists, max_leaves=4)), max_size=5),
    before=st.dictionaries(TEXTS, TEXTS, max_size=3),
    indent=LAYOUTS,
)
def test_each_run_in_a_list_has_the_line_that_it_begins_in(runs, before, indent):
    """
    A list object may be laid out over many lines, with brackets inside its strings.
    """
    listed = [
        {
            "object": "thread.run",
            "id": f"run_{number}",
            "status": "queued",
            "metadata": {text: more},
        }
        for number, (text, more) in enumerate(runs)
    ]
    text = json.dumps({"more": [before, {}], "object": "list", "data": listed}, indent=indent)
    beginnings = [
        number for number, line in enumerate(text.split("\n"), 1) if '"thread.run"' in line
    ]
    # The key that is looked for stands one line below the bracket.
    expected = [1] * len(listed) if indent is None else [line - 1 for line in beginnings]

    assert [item[2] for item in told(text)] == expected


def test_each_pod_of_a_printed_list_has_the_line_that_it_begins_in():
    """
    So ``kubectl get pods -o json`` prints them, and a record that cannot be read has its own line.
    """
    pods = [
        {"kind": "Pod", "metadata": {"uid": "a"}, "status": {"phase": phase}}
        for phase in ("Pending", 5, "Running")
    ]
    text = json.dumps({"kind": "List", "items": pods}, indent=2)

    found = told(text, lifecycle=PRESETS["kubernetes-pod"])

    assert [item[2 if item[0] != "RS901" else 1] for item in found] == [4, 13, 22], found


def test_a_key_that_is_given_twice_leaves_the_line_of_the_document():
    """
    What was lost at the parser has a bracket in the text, and may have been anywhere.
    """
    text = (
        '{"object": "list", "more": [{\n"x": {"y": 1}, "x": {"y": 2}}],\n'
        f' "data": [\n{run("a")},\n{run("b")}]}}'
    )

    assert told(text) == [("queued", "a", 1), ("queued", "b", 1)]
