"""
Event logs of process mining, in and out.
"""

import io
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_limits import lower
from runstate import Finding, Observation, check, cli
from runstate.readers import Columns, read
from runstate.readers.write import write_xes

LOG = """<?xml version="1.0"?>
<log xmlns="http://www.xes-standard.org/" xes.version="1849.2016">
  <extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
  <global scope="event"><string key="concept:name" value="x"/></global>
  <string key="concept:name" value="a log"/>
  <trace>
    <string key="concept:name" value="run_1"/><string key="owner" value="me"/>
    <event><string key="concept:name" value="queued"/>
      <date key="time:timestamp" value="2023-11-14T22:13:20.000+00:00"/>
      <list key="more"><values><string key="concept:name" value="no"/></values></list></event>
    <event>
      <string key="concept:name" value="completed"/><int key="n" value="5"/>
      <date key="time:timestamp" value="2023-11-14T23:13:21.500+01:00"/></event>
  </trace>
  <trace><string key="concept:name" value="run_2"/></trace>
</log>
"""


def seen_in(text, **options):
    """
    Return what is read of a text: the observations, and the findings.
    """
    data = text if isinstance(text, bytes) else text.encode()
    records = list(read(io.BytesIO(data), name=options.pop("name", "log"), **options))
    findings = [record for record in records if isinstance(record, Finding)]

    return [record for record in records if not isinstance(record, Finding)], findings


def test_trace_is_a_run_and_an_event_an_observation():
    """
    With the place of each event; what is nested in an attribute is none.
    """
    seen, findings = seen_in(LOG)

    assert [] == findings
    assert [
        ("queued", "run_1", 1_700_000_000.0, "log", 8),
        ("completed", "run_1", 1_700_000_001.5, "log", 11),
    ] == [(o.status, o.run_id, o.at, o.file, o.line) for o in seen]
    assert ["queued -> completed: no such move"] == [f.message for f in check(seen).findings]


def test_other_attributes_may_be_named():
    """
    Of the event, and of the trace.
    """
    columns = Columns(run_id="case:owner", status="concept:name", at="n")
    seen, findings = seen_in(LOG.replace('"5"', '"1700000005"'), format="xes", columns=columns)

    assert [] == findings
    assert [("me", None), ("me", 1_700_000_005.0)] == [(o.run_id, o.at) for o in seen]


@pytest.mark.parametrize(("value", "at"), [("1700000005.5", 1_700_000_005.5), ("true", None)])
def test_attributes_are_numbers_where_they_can_be(value, at):
    """
    Whole ones, others, and what is none.
    """
    columns = Columns(at="n")
    seen, findings = seen_in(LOG.replace('"5"', f'"{value}"'), columns=columns)

    assert [None, at] == [o.at for o in seen]
    assert (at is None) == bool(findings)


@pytest.mark.parametrize("prefix", ["", "xes:"])
def test_prefixes_do_not_matter(prefix):
    """
    Tools write the elements with one, or without.
    """
    event = f'<{prefix}event><{prefix}string key="concept:name" value="queued"/></{prefix}event>'
    name = f'<{prefix}string key="concept:name" value="r"/>'
    log = f"<{prefix}log><{prefix}trace>{name}{event}</{prefix}trace></{prefix}log>"

    assert [("r", "queued")] == [(o.run_id, o.status) for o in seen_in(log)[0]]


BOMB = """<!DOCTYPE log [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><log>&b;</log>"""
DEEP = "<log><trace>" + "<list>" * 200


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        (BOMB, "RS901", "declares a type"),
        ('<!DOCTYPE log SYSTEM "file:///etc/passwd"><log/>', "RS901", "declares a type"),
        (DEEP, "RS901", "nested deeper"),
        ("<html/>", "RS901", "no <log>"),
        ("<log>", "RS901", "not XML"),
        ("<log></trace></log>", "RS901", "not XML"),
        (b'<?xml version="1.0" encoding="nonsense"?><log/>', "RS901", "not XML"),
        (b"<log>\xff</log>", "RS901", "not XML"),
        ("<log><trace><event/></trace></log>", "RS902", "case:concept:name"),
        (
            '<log><trace><string key="concept:name" value="r"/><event/></trace></log>',
            "RS902", "concept:name",
        ),
        (
            '<log><trace><event><int key="a" value="1"/><int key="a" value="2"/></event></trace></log>',
            "RS903", "twice",
        ),
        (
            '<log><trace><string key="concept:name" value="r"/><string key="concept:name" value="s"/>'
            '<event><string key="concept:name" value="queued"/></event></trace></log>',
            "RS903", "twice",
        ),
    ],
)  # fmt: skip
def test_log_that_is_broken_is_a_finding(text, code, reason):
    """
    With its place; nothing is expanded, and nothing fetched.
    """
    seen, findings = seen_in(text)

    assert ([], [code]) == (seen, [f.code for f in findings])
    assert reason in findings[0].message
    assert findings[0].line >= 1


def test_log_that_breaks_off_is_read_up_to_there():
    """
    Cut anywhere, what was whole is read, and the break is one finding.
    """
    whole, _ = seen_in(LOG)
    for cut in range(LOG.index("<log"), len(LOG) - 1):
        seen, findings = seen_in(LOG[:cut], format="xes")
        assert whole[: len(seen)] == seen
        assert 1 == len(findings)


def test_event_without_an_end_is_given_up(monkeypatch):
    """
    Before it fills the memory.
    """
    lower(monkeypatch, record=1 << 17)
    endless = "<log><trace><event>" + "<int key='a' value='1'/>" * 100_000
    seen, findings = seen_in(endless)

    assert ([], ["RS904"]) == (seen, [f.code for f in findings])


@given(st.binary(max_size=300))
def test_nothing_raises(data):
    """
    Whatever the bytes are, what is wrong with them is a finding.
    """
    seen_in(b"<log><trace>" + data, format="xes")


# Whatever is printable, made rather than sifted out: few texts of any characters are.
PRINTABLE = st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=" ")
TEXTS = st.text(PRINTABLE, min_size=1, max_size=20)
TIMES = st.none() | st.integers(10**9, 4 * 10**9).map(float)


@given(st.lists(st.tuples(TEXTS, TEXTS, TIMES), max_size=20))
def test_what_is_written_is_read_again(history):
    """
    Runs, statuses and times come back, whatever their spelling; a run's events in their order.
    """
    observations = [Observation(status, run_id, at) for run_id, status, at in history]
    out = io.StringIO()
    assert len(observations) == write_xes(observations, out)
    seen, findings = seen_in(out.getvalue(), format="xes")
    runs = list(dict.fromkeys(run_id for run_id, _, _ in history))

    assert [] == findings
    assert sorted(history, key=lambda each: runs.index(each[0])) == [
        (o.run_id, o.status, o.at) for o in seen
    ]


def test_moves_and_what_xml_cannot_hold():
    """
    A move's facts are attributes of its event; control characters are shown, not written.
    """
    out = io.StringIO()
    write_xes([Observation("a\x00<b>", None, 1.0, source="\ud800", seq=2, trigger='"x"')], out)
    event = ET.fromstring(out.getvalue()).find(".//{*}event")  # noqa: S314  of our own making

    assert {
        "concept:name": "a\\x00<b>", "time:timestamp": "1970-01-01T00:00:01.000000+00:00",
        "source": "\\ud800", "trigger": '"x"', "seq": "2",
    } == {each.get("key"): each.get("value") for each in event}  # fmt: skip


def test_command_converts_and_checks(tmp_path, monkeypatch, capsys):
    """
    What it writes it reads, with the same findings.
    """
    monkeypatch.chdir(tmp_path)
    Path("jobs.csv").write_text("run_id,status\n1,queued\n1,completed\n", encoding="utf-8")
    cli.command.main(["convert", "jobs.csv", "-o", "jobs.xes"], standalone_mode=False)
    assert "wrote jobs.xes: 2 events\n" == capsys.readouterr().out

    assert 1 == cli.command.main(["check", "jobs.xes"], standalone_mode=False)
    assert "RS103 error: 1: queued -> completed" in capsys.readouterr().out
