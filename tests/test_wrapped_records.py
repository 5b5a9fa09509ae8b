"""
A record says what it says, whatever a log, a queue, a page or a protocol puts around it.
"""

import gzip
import json
from io import BytesIO

import pytest

from runstate import RUN, Finding, check
from runstate.presets import PRESETS
from runstate.readers import read
from test_preset_records import RECORDS


def at(number):
    """
    Return when record *number* was logged.
    """
    return f"2026-03-01T10:00:{number:02}.123456789Z"


def each(records, around):
    """
    Return what *around* makes of each record and its number, joined.
    """
    return "".join(around(record, number) for number, record in enumerate(records))


def line(record, number=0):
    """
    Return *record* as a line of JSON.
    """
    return json.dumps(record) + "\n"


WRAPPINGS = {
    "a line each": lambda rs: each(rs, line),
    "CR LF": lambda rs: each(rs, line).replace("\n", "\r\n"),
    "an array": json.dumps,
    "an array over lines": lambda rs: json.dumps(rs, indent=2),
    "documents over lines": lambda rs: each(rs, lambda r, _: json.dumps(r, indent=4) + "\n"),
    "documents without blanks": lambda rs: each(rs, lambda r, _: json.dumps(r)),
    "arrays one after the other": lambda rs: each(rs, lambda r, _: json.dumps([r], indent=1)),
    "data": lambda rs: json.dumps({"data": rs, "has_more": False}),
    "items": lambda rs: json.dumps({"count": len(rs), "items": rs}, indent=4),
    "results": lambda rs: json.dumps({"next": None, "results": rs}),
    "pages": lambda rs: each(rs, lambda r, _: line({"total": 1, "records": [r]})),
    "docker compose logs": lambda rs: each(rs, lambda r, _: f"api-1  | {line(r)}"),
    "kubectl logs --prefix": lambda rs: each(rs, lambda r, _: f"[pod/a-1/main] {line(r)}"),
    "kubectl logs --timestamps": lambda rs: each(rs, lambda r, n: f"{at(n)} {line(r)}"),
    "a container runtime": lambda rs: each(rs, lambda r, n: f"{at(n)} stdout F {line(r)}"),
    "docker": lambda rs: each(
        rs, lambda r, n: line({"log": line(r), "stream": "stdout", "time": at(n)})
    ),
    "journald": lambda rs: each(
        rs, lambda r, _: line({"MESSAGE": json.dumps(r), "PRIORITY": "6", "_PID": "1"})
    ),
    "Google Cloud": lambda rs: json.dumps(
        [
            {"insertId": "i", "jsonPayload": r, "timestamp": at(n), "logName": "projects/p"}
            for n, r in enumerate(rs)
        ]
    ),
    "Google Cloud, text": lambda rs: each(
        rs, lambda r, _: line({"textPayload": json.dumps(r), "logName": "projects/p"})
    ),
    "CloudWatch": lambda rs: json.dumps(
        {"events": [{"timestamp": 1772359200000 + n, "message": json.dumps(r), "eventId": "3"}
                    for n, r in enumerate(rs)], "searchedLogStreams": []}
    ),
    "Loki": lambda rs: each(rs, lambda r, _: line({"labels": {"app": "x"}, "line": json.dumps(r)})),
    "Loki's API": lambda rs: json.dumps(
        {"status": "success", "data": {"resultType": "streams", "result": [
            {"stream": {"app": "x"},
             "values": [[f"{1772359200 + n}000000000", json.dumps(r)] for n, r in enumerate(rs)]}]}}
    ),
    "SQS": lambda rs: json.dumps({"Messages": [{"MessageId": "m", "Body": json.dumps(r)} for r in rs]}),
    "Kafka": lambda rs: each(
        rs, lambda r, n: line({"topic": "t", "offset": n, "key": "k", "value": json.dumps(r)})
    ),
    "webhooks": lambda rs: each(rs, lambda r, _: line({"headers": {"x": "y"}, "body": r})),
    "polls": lambda rs: each(rs, lambda r, n: line({"polled": n, "response": r})),
    "Elasticsearch": lambda rs: json.dumps(
        {"took": 1, "hits": {"hits": [{"_index": "i", "_id": "d", "_source": r} for r in rs]}}
    ),
    "server-sent events": lambda rs: each(rs, lambda r, _: f"data: {json.dumps(r)}\n\n"),
    "kubectl get --watch": lambda rs: each(rs, lambda r, _: line({"type": "MODIFIED", "object": r})),
    "gzip": lambda rs: gzip.compress(each(rs, line).encode()),
    "UTF-16": lambda rs: each(rs, line).encode("utf-16"),
}  # fmt: skip
"""What other programs make of records, by its name."""


def records_of(name):
    """
    Return the recordings of the preset *name* that are objects, one after the other.
    """
    for document, _ in RECORDS[name]:
        if isinstance(document, dict):
            # A history that has no id of its own is named after its place.
            if "events" not in document or "previousEventId" not in str(document):
                yield document
        elif isinstance(document, list):
            yield from document


def facts(content, lifecycle):
    """
    Return what *content* says: ids, statuses and attempts; findings as they are.
    """
    data = content if isinstance(content, bytes) else content.encode()
    found = read(BytesIO(data), lifecycle=lifecycle)

    return [
        one.code if isinstance(one, Finding) else (one.run_id, one.status, one.attempt)
        for one in found
    ]


# A watch of Kubernetes holds its own objects, and never one whose kind OpenAI names.
WRAPPED = [
    (name, wrapping)
    for name in sorted(RECORDS)
    for wrapping in WRAPPINGS
    if wrapping != "kubectl get --watch" or PRESETS[name].kind is None
]


@pytest.mark.parametrize(("name", "wrapping"), WRAPPED)
def test_a_wrapping_changes_nothing(name, wrapping):
    """
    The records of each system are read alike in each wrapping, those about something else included.
    """
    preset = PRESETS[name]
    for record in records_of(name):
        plain = facts(line(record), preset)
        assert facts(WRAPPINGS[wrapping]([record]), preset) == plain, record


MOVES = [
    {"uid": "u", "phase": "Pending"},
    {"uid": "u", "phase": "Running"},
    {"uid": "u", "phase": "Succeeded"},
]


@pytest.mark.parametrize("wrapping", ["docker", "Google Cloud", "CloudWatch", "Loki's API"])
def test_what_was_logged_when_says_the_order(wrapping):
    """
    A collector that answers the newest line first does not turn a history round.
    """
    pod, wrap = PRESETS["kubernetes-pod"], WRAPPINGS[wrapping]
    seen = list(read(BytesIO(wrap(MOVES).encode()), lifecycle=pod))
    assert [None] * 3 != [each.at for each in seen]

    assert () == check(seen, pod).findings
    assert {"RS108"} == {each.code for each in check(seen[::-1], pod).findings}
    assert not check([each._replace(at=None) for each in seen[::-1]], pod).ok


def test_a_time_of_its_own_goes_before_that_of_the_log():
    """
    When a record says its time, that of the line around it is not used.
    """
    run = {"run_id": "r", "status": "queued", "at": 1788256800}
    content = WRAPPINGS["docker"]([run])

    assert [1788256800] == [each.at for each in read(BytesIO(content.encode()), lifecycle=RUN)]
