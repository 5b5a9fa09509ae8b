"""
What stands around records: the envelopes of logs, queues and protocols, as objects and as lines.

A record in an envelope says what it says without one.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any, Final

from ..runs._wire import FIRST_SECOND
from ._parse import parse
from ._times import moment
from ._values import TIME_KEYS, BadRecordError

__all__ = [
    "TIMES",
    "contents",
    "is_json",
    "is_log_envelope",
    "is_partial",
    "own_event",
    "parsed",
    "unwrapped",
]

_CONTENTS: Final = (
    "log", "MESSAGE", "message", "msg", "jsonPayload", "textPayload", "line", "data", "detail",
    "payload", "request", "result", "params", "event", "body", "Body", "Message", "Records", "value", "record",
    "task", "object", "response", "after", "_source", "hits", "document",
)  # fmt: skip
"""
Keys under which an envelope has what it carries: Docker, journald, Google Cloud, CloudEvents,
EventBridge, JSON-RPC, SNS, SQS, Kafka, Debezium, Elasticsearch.
"""
_LOGS: Final = (
    {"log", "stream"}, {"MESSAGE"}, {"jsonPayload"}, {"textPayload", "logName"},
    {"line", "labels"},
)  # fmt: skip
"""Keys by which a line that a collector of logs wrote is known."""

_LOGGED: Final = ("time", "timestamp", "__REALTIME_TIMESTAMP", "at")
"""Where a collector of logs keeps when it saw a line."""
TIMES: Final = frozenset({*TIME_KEYS, "time", "ts"})
"""Keys of a record by which it has a time of its own."""

_STAMP: Final = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*"
_PREFIX: Final = re.compile(
    rb"(?:\x1b\[[\d;]*m)*(?:"
    rb"\[\S+\] (?:" + _STAMP + rb" )?"  # kubectl logs --prefix
    rb"|" + _STAMP + rb" std(?:out|err) [FP] "  # container runtimes
    rb"|" + _STAMP + rb" "  # kubectl logs --timestamps, docker logs -t
    rb"|\S+ +\| (?:" + _STAMP + rb" )?"  # docker compose logs
    rb"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ \S+: "  # journalctl
    rb"|" + _STAMP + rb" \S+ \S+\[\d+\]: "  # journalctl -o short-iso
    rb")(?:\x1b\[[\d;]*m)*"
)
"""What a collector of logs puts before a line."""
_LONGEST_PREFIX: Final = 300
_PARTIAL: Final = re.compile(rb"\S+ std(?:out|err) P ")
_OWN_CLOUDEVENT: Final = "io.runstate."


def unwrapped(line: bytes) -> bytes | None:
    """
    Return the rest of *line* after what a collector of logs put before it; None if that is nothing.

    Where JSON ends a line, what stands before it is a prefix, too.
    """
    match = _PREFIX.match(line)
    rest = line[match.end() :].strip() if match else None
    if rest is not None and is_json(rest):
        return rest
    place = line.find(b'{"', 0, _LONGEST_PREFIX)
    before, content = line[:place].strip(), line[place:].strip()
    if place > 0 and before.isascii() and before and b'"' not in before and content[-1:] == b"}":
        return content

    return rest


def is_json(rest: bytes) -> bool:
    """
    Return whether *rest* begins as an object or a list of them.
    """
    return rest.startswith((b"{", b"[{"))


def is_partial(line: bytes) -> bool:
    """
    Return whether a container runtime cut *line*, whose rest follows in the next one.
    """
    return _PARTIAL.match(line) is not None


def parsed(value: Any) -> Any:
    """
    Return what *value* holds, if it is a text of JSON; else *value*.
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return parse(value.encode())
        except (BadRecordError, UnicodeEncodeError):
            return value

    return value


def is_log_envelope(record: Mapping[str, Any]) -> bool:
    """
    Return whether a collector of logs wrote *record* around a line.
    """
    return any(keys <= record.keys() for keys in _LOGS)


def own_event(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """
    Return the move in *record* if it is an event of this package: a CloudEvent or one of OpenLineage.
    """
    data, run = record.get("data"), record.get("run")
    if isinstance(data, dict) and str(record.get("type", "")).startswith(_OWN_CLOUDEVENT):
        return {"at": record.get("time"), **data}
    facets = run.get("facets") if isinstance(run, dict) else None
    own = facets.get("runstate") if isinstance(facets, dict) else None
    if isinstance(own, dict) and "target" in own:
        return {"run_id": own.get("id"), "at": record.get("eventTime"), **own}

    return None


def contents(record: Mapping[str, Any]) -> Iterator[dict[str, Any] | list[Any]]:
    """
    Yield what *record* may be an envelope of: objects and lists of objects, the likeliest first.

    What has no time of its own has that of the line that a collector of logs wrote around it.
    """
    for key in _CONTENTS:
        value = parsed(record.get(key))
        if isinstance(value, dict):
            yield _timed(value, record)
    others = [value for key, value in record.items() if key != "at"]
    if len(others) == 1 and isinstance(others[0], dict):
        yield _timed(others[0], record)
    for key, value in record.items():
        inner = _lines(value) if key == "values" else parsed(value)
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            yield inner


def _timed(inner: dict[str, Any], around: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return *inner* with the time at which a collector of logs saw it, where it has none.
    """
    collected = is_log_envelope(around) or "eventId" in around or "at" in around
    if not collected or not TIMES.isdisjoint(inner):
        return inner
    logged = next((at for key in _LOGGED if (at := _seconds(around.get(key), key))), None)

    return inner if logged is None else {**inner, "at": logged}


def _seconds(value: Any, key: str) -> float | None:
    """
    Return the Unix seconds that *value* says; None if it is not a time of this century.
    """
    try:
        seconds = moment(value, key, UTC).seconds
    except BadRecordError:
        return None

    return seconds if seconds >= FIRST_SECOND else None


def _lines(value: Any) -> Any:
    """
    Return the records of a stream of Loki: pairs of a time and a line; *value* if it is not one.
    """
    if not isinstance(value, list) or not all(isinstance(each, list) for each in value):
        return value
    pairs = [(each[0], parsed(each[1])) for each in value if len(each) > 1]

    return [_timed(record, {"at": at}) for at, record in pairs if isinstance(record, dict)]
