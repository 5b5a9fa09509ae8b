"""
Object-centric event logs of process mining, in and out.
"""

import io
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_limits import lower
from runstate import Finding, Observation, check, cli
from runstate.readers import Columns, ocel, read
from runstate.readers.write import write_ocel

LOG = """{
  "objectTypes": [
    {"name": "run", "attributes": [{"name": "status", "type": "string"}]},
    {"name": "item", "attributes": []}
  ],
  "eventTypes": [{"name": "queued", "attributes": []}, {"name": "completed", "attributes": []}],
  "objects": [
    {"id": "run_1", "type": "run", "relationships": [{"objectId": "item_1", "qualifier": "q"}],
     "attributes": [
       {"name": "status", "time": "2023-11-14T22:13:21.500Z", "value": "completed"},
       {"name": "cost", "time": "1970-01-01T00:00:00Z", "value": 5},
       {"name": "status", "time": "2023-11-14T23:13:20+01:00", "value": "queued"}]},
    {"id": "item_1", "type": "item"}
  ],
  "more": {"events": [1, "]}"]},
  "events": [
    {"id": "e1", "type": "queued", "time": "2023-11-14T22:13:20Z", "attributes": [],
     "relationships": [{"objectId": "run_1", "qualifier": "run"}, {"objectId": "item_1"}]},
    {"id": "e2", "type": "completed", "time": "1970-01-01T00:00:00Z",
     "relationships": [{"objectId": "run_1"}, {"objectId": "run_1", "qualifier": "twice"}]}
  ]
}
"""

XML = """<?xml version="1.0"?>
<log>
  <object-types><object-type name="run"><attributes/></object-type></object-types>
  <objects>
    <object id="run_1" type="run"><attributes>
      <attribute name="status" time="2023-11-14T22:13:21.5Z">comple<!-- no -->ted</attribute>
      <attribute name="status" time="2023-11-14T22:13:20Z">queued</attribute></attributes>
      <objects><relationship object-id="item_1" qualifier="q"/></objects></object>
    <object id="item_1" type="item"/>
  </objects>
  <events>
    <event id="e1" type="queued" time="2023-11-14T22:13:20Z"><objects>
      <relationship object-id="run_1"/><relationship object-id="item_1"/></objects></event>
    <event id="e2" type="completed" time="1970-01-01T00:00:00Z"><attributes>
      <attribute name="status">no</attribute></attributes>
      <objects><relationship object-id="run_1"/></objects></event>
  </events>
</log>
"""

BY_VALUES = [("run_1", "queued", 1_700_000_000.0), ("run_1", "completed", 1_700_000_001.5)]
BY_EVENTS = [("run_1", "queued", 1_700_000_000.0), ("run_1", "completed", None)]
RUNS_EVENTS = Columns(run_id="run", status="ocel:activity")


def seen_in(text, **options):
    """
    Return what is read of a text: run, status and time of the observations, and the findings.
    """
    data = text if isinstance(text, bytes) else text.encode()
    records = list(read(io.BytesIO(data), name=options.pop("name", "log"), **options))
    findings = [record for record in records if isinstance(record, Finding)]
    seen = [record for record in records if not isinstance(record, Finding)]

    return [(o.run_id, o.status, o.at) for o in seen], findings


def events_first(text):
    """
    Return a log whose events come before its objects.
    """
    log = json.loads(text)

    return json.dumps({key: log[key] for key in ("objectTypes", "events", "objects")})


@pytest.mark.parametrize("log", [LOG, XML])
@pytest.mark.parametrize("columns", [Columns(), Columns(run_id="run")])
def test_object_is_a_run_and_its_values_are_statuses(log, columns):
    """
    Sorted by time; objects without a status, and what else the log holds, are passed over.
    """
    seen, findings = seen_in(log, columns=columns)

    assert ([], BY_VALUES) == (findings, seen)


@pytest.mark.parametrize("log", [LOG, XML, events_first(LOG)])
def test_types_of_events_may_be_the_statuses(log):
    """
    Of the objects of one type that they relate to, once each; or of all that they relate to.
    """
    assert (BY_EVENTS, []) == seen_in(log, columns=RUNS_EVENTS)

    every = [BY_EVENTS[0], ("item_1", *BY_EVENTS[0][1:]), BY_EVENTS[1]]
    assert (every, []) == seen_in(log, columns=Columns(status="ocel:activity"))


def test_findings_have_the_place_of_what_they_are_about():
    """
    The line of the object or the event.
    """
    for columns, line in ((Columns(), 8), (RUNS_EVENTS, 19)):
        seen = [*read(io.BytesIO(LOG.encode()), name="a.jsonocel", columns=columns)]
        report = check(seen)
        assert [("RS103", "a.jsonocel", line)] == [
            (f.code, f.file, f.line) for f in report.findings
        ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("log", LOG),
        ("log.json", LOG),
        ("log.jsonocel", LOG.replace('"objectTypes": [', '"objects": [], "objectTypes": [')),
        ("log.xml", XML),
        ("log.xmlocel", XML.replace("object-types", "x")),
    ],
)
def test_log_is_known_by_its_beginning_or_its_suffix(name, text):
    """
    Whichever of its parts comes first.
    """
    assert (BY_VALUES, []) == seen_in(text, name=name)


def one(attributes):
    """
    Return a log of one run with these attributes, as text.
    """
    return f'{{"objectTypes": [], "objects": [{{"id": "r", "type": "run", "attributes": {attributes}}}]}}'


BOMB = """<!DOCTYPE log [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><log>&b;</log>"""
STATUS = '{"name": "status", "value": "queued", "time": "2023-11-14T22:13:20Z"}'


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        (BOMB, "RS901", "declares a type"),
        ("<log><objects>" + "<a>" * 200, "RS901", "nested deeper"),
        ("<html/>", "RS901", "no <log>"),
        ("<log>", "RS901", "not XML"),
        ("[]", "RS901", "expected an object"),
        ("{", "RS901", "in the middle"),
        ("{1: 2}", "RS901", "key is not a string"),
        ('{"objects" []}', "RS901", "colon is missing"),
        ('{"objects": [] "events": []}', "RS901", "comma or a bracket"),
        ('{"objects": [],', "RS901", "in the middle"),
        ('{"objects": [', "RS901", "does not end"),
        ('{"objects": "x', "RS901", "does not end"),
        ('{"objects": []} 1', "RS901", "follows"),
        ('{"objects": [1]}', "RS901", "objects must be JSON objects, not 1"),
        ('{"objects": [{"id": "r", "id": "s"}]}', "RS903", "'id'"),
        ('{"objects": [{"id": }]}', "RS901", "value is missing"),
        (one("{}").replace("{}}", "5}"), "RS901", "attributes must be an array, not 5"),
        (one("[5]"), "RS901", "attributes must be JSON objects, not 5"),
        (one(f"[{STATUS}]").replace('"id": "r", ', ""), "RS902", "ocel:oid"),
        (one(f"[{STATUS}]").replace('"queued"', "5"), "RS901", "status must be a string"),
        (one(f"[{STATUS}]").replace('"status"', '"state"'), "RS902", "did you mean 'state'?"),
        (one("[]"), "RS902", "--status ocel:activity takes the types of the events"),
        ('{"x": "\xff"}'.encode("latin-1"), "", ""),
    ],
)  # fmt: skip
def test_log_that_is_broken_is_a_finding(text, code, reason):
    """
    One, with its place; nothing is expanded, and nothing fetched.
    """
    seen, findings = seen_in(text, format="ocel")

    assert ([], [code] if code else []) == (seen, [f.code for f in findings])
    assert all(reason in f.message and f.line >= 1 for f in findings)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (Columns(run_id="rum"), "did you mean 'run'?"),
        (Columns(run_id="item", status="ocel:activity"), "no event relates to a run"),
    ],
)
def test_log_without_any_run_is_a_finding(columns, reason):
    """
    That says what there is instead.
    """
    seen, (finding,) = seen_in(LOG.replace('"item_1"}', '"run_1"}'), columns=columns)

    assert ([], "RS902") == (seen, finding.code)
    assert reason in finding.message


@pytest.mark.parametrize("related", ["5", "null", '[["x"]]', '[{"objectId": null}]', "[{}]"])
def test_relationships_that_cannot_be_read(related):
    """
    Are a finding of their event; null is none, as an empty list is.
    """
    event = f'{{"type": "queued", "time": "2023-11-14T22:13:20Z", "relationships": {related}}}'
    seen, findings = seen_in(f'{{"events": [{event}]}}', format="ocel", columns=RUNS_EVENTS)

    assert ([], ["RS901"] * (related != "null")) == (seen, [f.code for f in findings])


def test_value_without_a_readable_time_leaves_the_order_as_it_was():
    """
    With a finding; the value is used.
    """
    seen, findings = seen_in(one('[{"name": "status", "value": "b", "time": "x"}, ' + STATUS + "]"))

    assert [("r", "b", None), ("r", "queued", 1_700_000_000.0)] == seen
    assert ["RS901"] == [f.code for f in findings]


@pytest.mark.parametrize("log", [LOG, XML])
def test_log_that_breaks_off_is_read_up_to_there(log):
    """
    Cut anywhere, what was whole is read, and the break is one finding.
    """
    for cut in range(log.index("log") if log is XML else 1, len(log) - 3, 7):
        seen, findings = seen_in(log[:cut], format="ocel")
        assert seen in ([], BY_VALUES)
        assert "RS901" in {f.code for f in findings}
        assert len(findings) <= 2


def test_too_large_a_record_is_given_up(monkeypatch):
    """
    Before it fills the memory; what follows it is read where that can be found.
    """
    lower(monkeypatch, record=1 << 17)
    endless = '{"objects": [{"id": "' + "x" * 200_000 + '"}, {"id": "r", "attributes": [' + STATUS
    seen, findings = seen_in(endless + "]}]}", format="ocel")

    assert ([("r", "queued", 1_700_000_000.0)], ["RS904"]) == (seen, [f.code for f in findings])

    endless = "<log><objects><object>" + "<attributes/>" * 100_000
    assert ["RS904"] == [f.code for f in seen_in(endless, format="ocel")[1]]


def test_events_do_not_wait_without_end(monkeypatch):
    """
    Beyond the cap they are passed over, which one finding says.
    """
    monkeypatch.setattr(ocel, "MOST_WAITING", 2)
    log = json.loads(LOG)
    log["events"] = [*log["events"], *log["events"]]
    seen, findings = seen_in(events_first(json.dumps(log)), columns=RUNS_EVENTS)

    assert (BY_EVENTS[:1], ["RS904"]) == (seen, [f.code for f in findings])


@given(st.binary(max_size=200), st.sampled_from(["ocel", "auto"]))
def test_nothing_raises(data, form):
    """
    Whatever the bytes are, what is wrong with them is a finding.
    """
    for beginning in (b'{"objectTypes": [', b'{"events":[{"type":', b"<log><objects><object "):
        for columns in (Columns(), RUNS_EVENTS):
            seen_in(beginning + data, format=form, columns=columns)


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["id", "type", "time", "name", "value", "attributes",
                                       "relationships", "objectId"]), inner, max_size=5),
)  # fmt: skip


@given(st.lists(JSON, max_size=4), st.lists(JSON, max_size=4))
def test_nothing_raises_on_json_either(objects, events):
    """
    Whatever is in the place of an object or an event.
    """
    for parts in ({"objects": objects, "events": events}, {"events": events, "objects": objects}):
        for columns in (Columns(), RUNS_EVENTS):
            seen_in(json.dumps(parts), format="ocel", columns=columns)


# Whatever is printable, made rather than sifted out: few texts of any characters are.
PRINTABLE = st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=" ")
TEXTS = st.text(PRINTABLE, min_size=1, max_size=20)
TIMES = st.none() | st.integers(10**9, 4 * 10**9).map(float)


@given(st.lists(st.tuples(TEXTS, TEXTS, TIMES), max_size=20))
def test_what_is_written_is_read_again(history):
    """
    By its events as it was; by its objects a run at a time, sorted by time.

    Where none is known, that is the time of the change before, so that it stays behind it.
    """
    out = io.StringIO()
    written = write_ocel([Observation(status, run, at) for run, status, at in history], out)
    assert len(history) == written
    assert (history, []) == seen_in(out.getvalue(), columns=RUNS_EVENTS)

    runs = list(dict.fromkeys(run_id for run_id, _, _ in history))
    changes: list[tuple[str, str, float | None]] = []
    for run in runs:
        known = None
        for _, status, at in (each for each in history if each[0] == run):
            known = at or known
            changes.append((run, status, known))
    by_run = sorted(changes, key=lambda each: (runs.index(each[0]), each[2] or -math.inf))
    assert (by_run, []) == seen_in(out.getvalue())


def test_moves_and_what_utf8_cannot_hold():
    """
    A move's facts are attributes of its event; half a surrogate pair is shown, not written.
    """
    out = io.StringIO()
    write_ocel([Observation("a\x00<b>", None, 1.0, source="\ud800", seq=2, trigger='"x"')], out)
    log = json.loads(out.getvalue().encode())

    assert {
        "id": "e1", "type": "a\x00<b>", "time": "1970-01-01T00:00:01.000000+00:00",
        "attributes": [
            {"name": "source", "value": "\\ud800"}, {"name": "trigger", "value": '"x"'},
            {"name": "seq", "value": 2},
        ],
        "relationships": [{"objectId": "", "qualifier": "run"}],
    } == log["events"][0]  # fmt: skip
    declared = {each["name"] for kind in log["eventTypes"] for each in kind["attributes"]}
    assert {"source", "trigger", "seq"} == declared


@pytest.mark.parametrize("name", ["jobs.jsonocel", "jobs.json"])
def test_command_converts_and_checks(tmp_path, monkeypatch, capsys, name):
    """
    What it writes it reads, with the same findings.
    """
    monkeypatch.chdir(tmp_path)
    Path("jobs.csv").write_text("run_id,status\n1,queued\n1,completed\n", encoding="utf-8")
    cli.command.main(["convert", "jobs.csv", "-o", name], standalone_mode=False)
    assert f"wrote {name}: 2 events\n" == capsys.readouterr().out

    assert 1 == cli.command.main(["check", name], standalone_mode=False)
    assert "RS103 error: 1: queued -> completed" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["moves.jsonocel", "moves.xes"])
def test_command_puts_moves_in_order(tmp_path, monkeypatch, capsys, name):
    """
    Whoever logs after committing logs in any order, and some twice; what contradicts stays.
    """
    monkeypatch.chdir(tmp_path)
    moves = [(2, "queued", "in_progress"), (1, None, "queued"), (2, "queued", "in_progress"),
             (4, "queued", "in_progress"), (3, "in_progress", "completed"), (3, "in_progress", "failed")]  # fmt: skip
    lines = [
        json.dumps({"event": "run.transition", "run_id": "r", "seq": seq, "source": source,
                    "target": target, "trigger": "t", "at": 1.7e9 + seq})
        for seq, source, target in moves
    ]  # fmt: skip
    Path("moves.jsonl").write_text("\n".join(lines), encoding="utf-8")
    cli.command.main(["convert", "moves.jsonl", "-o", name], standalone_mode=False)

    assert f"wrote {name}: 5 events\n" == capsys.readouterr().out
    seen, _ = seen_in(Path(name).read_text(encoding="utf-8"))
    assert ["queued", "in_progress", "completed", "failed", "in_progress"] == [
        status for _, status, _ in seen
    ]
