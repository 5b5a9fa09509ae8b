"""
Reports in each of their forms, on plain findings and on hostile ones.
"""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple
from unittest import mock
from xml.etree import ElementTree as ET

import pydantic_core
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from runstate import RULES, Finding, Observation, frames
from runstate.cli import command
from runstate.histories import Survey, survey

FORMS = next(
    tuple(option.type.choices)
    for option in command.commands["check"].params
    if option.name == "output"
)


class Totals(NamedTuple):
    """
    The counts at the end of a report in JSON.
    """

    runs: int
    observations: int
    undecided: int
    errors: int
    warnings: int
    tied: int = 0
    compared: bool = True
    reopened: int = 0
    accepted: int = 0
    passed_over: int = 0


ILLEGAL = Finding(
    "RS103",
    "error",
    "queued -> completed: no such move",
    "run_1",
    "queued",
    "completed",
    "shortest legal path: queued -start-> in_progress -complete-> completed",
    "runs.jsonl",
    2,
)
LATE = Finding("RS108", "warning", "seen 5 s before", "run_1", file="runs.jsonl", line=3)
UNREAD = Finding("RS901", "error", "No such file or directory", file="none.jsonl")
MEMORY = Finding("RS101", "error", "unknown status 'é'", "run_é", target="é", line=1)
FINDINGS = (ILLEGAL, LATE, UNREAD, MEMORY)
TOTALS = Totals(runs=1_234, observations=5_678, undecided=1, errors=3, warnings=1)
CLEAN = Totals(runs=1, observations=1, undecided=0, errors=0, warnings=0)


def counted(findings: tuple[Finding, ...], totals: Totals) -> Survey:
    """
    Return a survey of *findings* and *totals*.
    """
    warnings = Counter({"RS108": totals.warnings})

    return Survey(
        totals.runs, totals.observations, totals.undecided, findings,
        Counter({"RS103": totals.errors}) + warnings, totals.errors, {}, {}, {}, {},
        recorded={("queued", "in_progress"): 1}, tied=totals.tied, reopened=totals.reopened,
    )  # fmt: skip


def report(
    form: str,
    findings: Iterable[Finding] = FINDINGS,
    totals: Totals = TOTALS,
    options: tuple[str, ...] = (),
) -> list[str]:
    """
    Return the lines that the command prints where an engine found *findings* and *totals*.
    """
    found = counted(tuple(findings), totals)
    with mock.patch.object(frames, "survey_files", return_value=found):
        done = check("log.parquet", "--engine", "duckdb", "--output", form, *options)

    assert int(totals.errors > 0) == done.return_value

    # Not splitlines(), which would also break at what a terminal does not take for a line break.
    return done.stdout.removesuffix("\n").split("\n")


def check(*arguments: str, **options: Any) -> Result:
    """
    Run ``runstate check``, and return what came of it.
    """
    done = CliRunner().invoke(command, ["check", *arguments], standalone_mode=False, **options)
    if done.exception:
        raise done.exception

    return done


def test_text():
    """
    As text, each finding is one line that begins with its place; the last line counts.
    """
    assert report("text") == [
        "runs.jsonl:2: RS103 error: run_1: queued -> completed: no such move (shortest legal "
        "path: queued -start-> in_progress -complete-> completed)",
        "runs.jsonl:3: RS108 warning: run_1: seen 5 s before",
        "none.jsonl: RS901 error: No such file or directory",
        "<history>:1: RS101 error: run_é: unknown status 'é'",
        "1,234 runs, 5,678 observations: 3 errors, 1 warning (1 undecided: too little was seen)",
    ]


def test_text_without_findings():
    """
    Where nothing is wrong, one line says so, and what was looked at.
    """
    assert report("text", (), CLEAN) == ["1 run, 1 observation: nothing wrong"]


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (1, "... and 3 more findings (--max 0 shows all)"),
        (3, "... and 1 more finding (--max 0 shows all)"),
    ],
)
def test_text_says_what_it_does_not_show(shown, line):
    """
    Findings that are counted and not shown are told as a number, with the way to see them.
    """
    assert report("text", FINDINGS, options=("--max", str(shown)))[shown] == line


def test_json():
    """
    As JSON, the report is one object: the findings with every fact, then the counts.
    """
    lines = report("json")

    assert json.loads("\n".join(lines)) == {
        "findings": [finding._asdict() for finding in FINDINGS],
        **TOTALS._asdict(),
    }
    assert [lines[0], lines[-1]] == [
        '{"findings": [',
        '], "runs": 1234, "observations": 5678, "undecided": 1, "errors": 3, "warnings": 1, "tied": 0, "compared": true, "reopened": 0, "accepted": 0, "passed_over": 0}',
    ]
    assert len(lines) == len(FINDINGS) + 2


def test_json_without_findings():
    """
    Without findings the list is there, and empty.
    """
    assert json.loads("\n".join(report("json", (), CLEAN))) == {
        "findings": [],
        **CLEAN._asdict(),
    }


def test_github():
    """
    For GitHub, each finding is one annotation of its file and line, and a summary ends it.
    """
    assert report("github") == [
        "::error file=runs.jsonl,line=2,title=RS103 illegal move::run_1: queued -> completed: no "
        "such move (shortest legal path: queued -start-> in_progress -complete-> completed)",
        "::warning file=runs.jsonl,line=3,title=RS108 time runs backwards between observations"
        "::run_1: seen 5 s before",
        "::error file=none.jsonl,title=RS901 record unreadable::No such file or directory",
        "::error line=1,title=RS101 status that the lifecycle does not know"
        "::run_é: unknown status 'é'",
        "1,234 runs, 5,678 observations: 3 errors, 1 warning (1 undecided: too little was seen)",
    ]


def test_junit():
    """
    As JUnit XML, each run is a case; errors are failures, warnings its output.
    """
    assert report("junit") == [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<testsuite name="runstate check" tests="3" failures="3" errors="0">',
        '  <testcase classname="(no run)" name="lifecycle">',
        '    <failure type="RS901" message="No such file or directory">none.jsonl: RS901 error: '
        "No such file or directory</failure>",
        "  </testcase>",
        '  <testcase classname="run_1" name="lifecycle">',
        '    <failure type="RS103" message="queued -&gt; completed: no such move">runs.jsonl:2: '
        "RS103 error: run_1: queued -&gt; completed: no such move (shortest legal path: queued "
        "-start-&gt; in_progress -complete-&gt; completed)</failure>",
        "    <system-out>runs.jsonl:3: RS108 warning: run_1: seen 5 s before</system-out>",
        "  </testcase>",
        '  <testcase classname="run_&#233;" name="lifecycle">',
        '    <failure type="RS101" message="unknown status \'&#233;\'">&lt;history&gt;:1: RS101 '
        "error: run_&#233;: unknown status '&#233;'</failure>",
        "  </testcase>",
        "  <system-out>1,234 runs, 5,678 observations: 3 errors, 1 warning "
        "(1 undecided: too little was seen)</system-out>",
        "</testsuite>",
    ]


def test_junit_without_findings():
    """
    Without findings there is one case that passed, as some readers refuse an empty suite.
    """
    assert report("junit", (), CLEAN) == [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<testsuite name="runstate check" tests="1" failures="0" errors="0">',
        '  <testcase classname="runstate" name="every run"/>',
        "  <system-out>1 run, 1 observation: nothing wrong</system-out>",
        "</testsuite>",
    ]


# -- hostile text ------------------------------------------------------------------

HOSTILE = [
    "a\nb\r\nc",
    "\x1b[2J\x1b]0;title\x07",
    "\u202eevil\u2066",
    "a\u2028b\u2029c\x85d",
    "\ud800\udfff",
    "::error file=x::forged",
    "\n::error::forged",
    "%0A::set-output name=x::y%0D%25",
    "]]>",
    "<script>alert(1)</script>",
    "\" onload='x' &amp; &",
    "\0\x01\x7f\x9b",
    "\ufffe\uffff\U000e0001",
    ",line=9,title=forged:",
    '", "severity": "warning',
    "x" * 100_000,
]

texts = st.text(st.characters(exclude_categories=()), min_size=1, max_size=30)
hostile_findings = st.lists(
    st.builds(
        Finding,
        code=st.sampled_from(sorted(RULES)),
        severity=st.sampled_from(["error", "warning"]),
        message=texts,
        run_id=st.none() | texts,
        source=st.none() | texts,
        target=st.none() | texts,
        hint=st.just("") | texts,
        file=st.none() | texts,
        line=st.none() | st.integers(1, 1 << 40),
    ),
    max_size=5,
)


def hostile(text: str) -> Finding:
    """
    Return a finding whose every text is *text*.
    """
    return Finding("RS103", "error", text, text, text, text, text, text, 1)


def harmless(findings: Iterable[Finding]) -> None:
    """
    Check that every form shows *findings* so that its own reader is not deceived.
    """
    findings = tuple(findings)
    severities = [finding.severity for finding in findings]
    totals = Totals(1, 1, 0, severities.count("error"), severities.count("warning"))
    forms = {form: report(form, findings, totals) for form in FORMS}
    for form, lines in forms.items():
        if form != "json":
            assert all(line.isprintable() for line in lines), form
    assert "\n".join(forms["json"]).isascii()
    assert "\n".join(forms["junit"]).isascii()

    parsed = json.loads("\n".join(forms["json"]))
    assert parsed == pydantic_core.from_json("\n".join(forms["json"]))
    assert [finding.code for finding in findings] == [each["code"] for each in parsed["findings"]]

    assert len(forms["text"]) == len(findings) + 1
    annotations = forms["github"][:-1]
    assert len(annotations) == len(findings)
    assert all(line.startswith(("::error ", "::warning ")) for line in annotations)

    suite = ET.fromstring("\n".join(forms["junit"]))  # noqa: S314
    told = [element.tag for case in suite for element in case]
    assert sorted(told) == sorted(
        "failure" if severity == "error" else "system-out" for severity in severities
    )


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_harmless_in_every_form(text):
    """
    Text made to break a line, a parser, a terminal or a page breaks none of them.
    """
    harmless([hostile(text)])


@given(hostile_findings)
def test_any_text_is_harmless_in_every_form(findings):
    """
    The same holds for any text at all.
    """
    harmless(findings)


def test_github_properties_cannot_be_forged():
    """
    What separates properties and commands is encoded where it comes from a file's name.
    """
    line = report("github", [hostile("a,line=9::b%0A")])[0]

    properties, message = line.removeprefix("::error ").split("::", 1)
    assert properties == "file=a%2Cline=9%3A%3Ab%250A,line=1,title=RS103 illegal move"
    assert message == "a,line=9::b%250A: a,line=9::b%250A (a,line=9::b%250A)"


@pytest.mark.parametrize(("size", "shown"), [(200, "x" * 200), (201, "x" * 199 + "…")])
def test_ids_of_two_hundred_characters_are_whole(size, shown):
    """
    One more character cuts an id, with an ellipsis.
    """
    assert report("text", [LATE._replace(run_id="x" * size)], CLEAN._replace(warnings=1))[0] == (
        f"runs.jsonl:3: RS108 warning: {shown}: seen 5 s before"
    )


@pytest.mark.parametrize("form", FORMS)
def test_long_text_is_cut(form):
    """
    A text of any length takes no more than a few thousand characters, except in JSON.
    """
    size = len("\n".join(report(form, [hostile("x" * 100_000)])))

    assert (size > 100_000) == (form == "json")
    assert size < 10_000 or form == "json"


# -- counting ----------------------------------------------------------------------

QUEUED, COMPLETED, FAILED = (
    {"run_id": "r", "status": status} for status in ("queued", "completed", "failed")
)
LATER, EARLIER = ({**QUEUED, "at": 1_790_000_000 + seconds} for seconds in (9, 1))


def lines(*records: object) -> str:
    """
    Return *records* as JSON lines.
    """
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize(("most", "shown"), [(0, 4), (1, 1), (3, 3), (4, 4), (9, 4)])
def test_findings_beyond_the_most_are_counted(most, shown):
    """
    Only the first findings are printed, all where 0 is asked for; the rest is counted.
    """
    records = [
        {**record, "run_id": f"run_{number}"}
        for number in range(4)
        for record in (QUEUED, COMPLETED)
    ]
    done = check("-", "--output", "json", "--max", str(most), input=lines(*records))
    told = json.loads(done.stdout)

    assert [f"run_{number}" for number in range(shown)] == [
        finding["run_id"] for finding in told["findings"]
    ]
    assert 4 == told["errors"]


@pytest.mark.parametrize(
    ("paths", "records", "totals", "status"),
    [
        ("-", [QUEUED], Totals(1, 1, 0, 0, 0, compared=False), 0),
        ("-", [QUEUED, FAILED], Totals(1, 2, 0, 0, 0), 0),
        ("-", [QUEUED, COMPLETED], Totals(1, 2, 0, 1, 0), 1),
        ("-", [LATER, EARLIER], Totals(1, 2, 0, 0, 1), 0),
        ("none.jsonl", [], Totals(0, 0, 0, 1, 0), 2),
        ("none.jsonl -", [QUEUED, COMPLETED], Totals(1, 2, 0, 2, 0), 2),
        ("none.jsonl -", [QUEUED], Totals(1, 1, 0, 1, 0, compared=False), 2),
        ("-", [{**QUEUED, "status": ""}], Totals(0, 0, 0, 1, 0), 2),
    ],
)
def test_records_are_counted_and_judged(paths, records, totals, status):
    """
    What passes by is counted; unreadable is worse than wrong, and a warning is no error.
    """
    done = check(*paths.split(), "--output", "json", input=lines(*records))
    told = json.loads(done.stdout)
    told.pop("findings")

    assert (totals._asdict(), status) == (told, done.return_value)


def test_an_observation_without_a_status_is_counted_and_unreadable():
    """
    It is an observation of no run, and an error about a record.
    """
    counts = survey([Observation("", "r")])

    assert (0, 1, 1) == (counts.runs, counts.observations, counts.errors)
    assert [True] == [code.startswith("RS9") for code in counts.tally]


def test_what_has_not_ended_is_a_finding():
    """
    Where the history is declared finished, a run under way is one more finding.
    """
    done = check("-", "--finished", "--output", "json", input=lines(QUEUED))

    assert (["RS107"], 1) == (
        [finding["code"] for finding in json.loads(done.stdout)["findings"]],
        done.return_value,
    )
