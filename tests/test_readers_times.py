"""
Times of every spelling that logs and exports use, and what times without a zone are good for.
"""

import io
import json
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstate import Finding, Observation, check
from runstate.readers import FORMATS, Columns, read

NOON = 1_700_000_000
ISO = "2023-11-14 22:13:20"

moments = st.datetimes(
    datetime(2000, 1, 2),  # noqa: DTZ001  the strategy adds the zone
    datetime(2099, 12, 30),  # noqa: DTZ001
    timezones=st.builds(
        lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-720, 840)
    ),
)


def moment(value):
    """
    Return the time of a record that has *value* as its time, and whether it has a zone.
    """
    remarks = []
    record = json.dumps({"id": "a", "status": "queued", "at": value}).encode()
    (found,) = read(io.BytesIO(record), notice=remarks.append)

    return found.at, not remarks


ONE_OF = {
    "csv": "id,status,at\na,queued,{at}\n",
    "tsv": "id\tstatus\tat\na\tqueued\t{at}\n",
    "jsonl": '{{"id": "a", "status": "queued", "at": "{at}"}}\n',
    "json": '[{{"id": "a", "status": "queued", "at": "{at}"}}]',
    "sse": 'data: {{"id": "a", "status": "queued", "at": "{at}"}}\n\n',
    "logfmt": "at={at} id=a status=queued\n",
    "xes": '<log><trace><string key="concept:name" value="a"/><event><string key="concept:name"'
    ' value="queued"/><date key="time:timestamp" value="{at}"/></event></trace></log>',
    "ocel": '{{"objects": [{{"id": "a", "type": "run", "attributes": [{{"name": "status", "value":'
    ' "queued", "time": "{at}"}}]}}], "events": []}}',
}


@pytest.mark.parametrize("form", FORMATS)
def test_times_are_left_out_of_every_format(form):
    """
    Where the caller says ``none``, no time is read and none is refused: public logs begin in 1970.
    """
    seen = ONE_OF[form].format(at="2023-11-14T22:13:20Z").encode()
    long_ago = ONE_OF[form].format(at="1970-01-02T22:13:20Z").encode()

    (timed,) = read(io.BytesIO(seen), format=form)
    untimed = [[*read(io.BytesIO(each), format=form, at="none")] for each in (seen, long_ago)]

    assert timed.at == NOON
    assert untimed == [[timed._replace(at=None)]] * 2


@given(moments)
def test_every_spelling_of_a_time_is_the_same_time(when):
    """
    What a time is does not depend on how it is written: unit, zone, separator, or standard.
    """
    when = when.replace(microsecond=0, tzinfo=timezone(when.utcoffset()))
    seconds = int(when.timestamp())
    utc = when.astimezone(UTC)
    offset = f"{when:%z}"[:5]
    spellings = [
        *(seconds, seconds * 1_000, seconds * 1_000_000, seconds * 1_000_000_000),
        *(str(seconds), str(seconds * 1_000), f"{seconds}.0", float(seconds)),
        *(when.isoformat(), when.isoformat(" "), f"{utc:%Y-%m-%dT%H:%M:%SZ}"),
        *(f"{utc:%Y-%m-%d %H:%M:%S} UTC", f"{utc:%Y-%m-%d %H:%M:%S}.000000000 +0000 UTC"),
        *(f"{when:%Y-%m-%d %H:%M:%S} {offset}", f"{when:%Y-%m-%d %H:%M:%S} {offset} CEST"),
        *(format_datetime(utc, usegmt=True), format_datetime(when)),
    ]

    assert [(seconds, True)] * len(spellings) == [moment(each) for each in spellings]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "noon",
        "2023-13-01",
        "2023-11-14 22:13:20 CET",
        "1",
        0,
        -1,
        2**70,
        True,
        [],
        "9" * 99,
    ],
)
def test_what_is_not_a_time_is_refused(value):
    """
    A zone that is only abbreviated may be several, so such a time is refused, too.
    """
    record = json.dumps({"id": "a", "status": "queued", "at": value}).encode()
    found = list(read(io.BytesIO(record)))

    assert [("RS901", "at ")] == [(f.code, f.message[:3]) for f in found if isinstance(f, Finding)]
    assert [None] == [seen.at for seen in found if isinstance(seen, Observation)]


def reads(text, **more):
    """
    Return what CSV *text* says, and the remarks on the input as a whole.
    """
    notices = []
    found = list(read(io.BytesIO(text.encode()), format="csv", notice=notices.append, **more))
    return found, notices


NAIVE = f"id,status,at\nr,queued,{ISO}\nr,in_progress,2023-11-14 22:13:25\n"


def test_of_times_without_a_zone_only_differences_are_used():
    """
    They are read, their order and differences hold, and that is said once.
    """
    found, notices = reads(NAIVE)

    assert 5.0 == found[1].at - found[0].at
    assert 1 == len(notices)
    assert "times without a zone in at: only their differences are used" in notices[0]
    assert check(found).ok


def test_a_zone_that_is_named_is_used():
    """
    With a zone, times without one are times in it, and nothing remains to be said.
    """
    paris, quiet = reads(NAIVE, zone=ZoneInfo("Europe/Paris"))
    utc, silent = reads(NAIVE, assume_utc=True)

    assert (NOON - 3_600, NOON) == (paris[0].at, utc[0].at)
    assert [] == quiet == silent


def test_a_column_that_mixes_times_with_and_without_a_zone_is_one_finding():
    """
    The differences of such a column mean nothing; two lines show it.
    """
    found, _ = reads(f"id,status,at\nr,queued,{ISO}\nr,in_progress,{ISO}Z\nr,completed,{ISO}Z\n")
    (finding,) = [each for each in found if isinstance(each, Finding)]

    assert ("RS901", 3) == (finding.code, finding.line)
    assert "at mixes times without a zone (line 2) and with one (line 3)" in finding.message


def test_a_column_that_cannot_be_read_is_one_finding_with_a_count():
    """
    The same fault in each row of a column is told once, on the first, with the number of rows.
    """
    rows = "".join(f"r{n},queued,day {n}\n" for n in range(5))
    found, _ = reads(f"id,status,at\n{rows}")
    (finding,) = [each for each in found if isinstance(each, Finding)]

    assert ("RS901", 2) == (finding.code, finding.line)
    assert finding.message.endswith(
        "is neither Unix seconds nor ISO 8601 (and so in 4 more records)"
    )
    assert 5 == sum(isinstance(each, Observation) for each in found)


def test_times_of_observations_can_be_left_out():
    """
    With ``none`` for the column of the time, order is that of the rows, and nothing is refused.
    """
    found, notices = reads(NAIVE.replace(ISO, "yesterday"), at="none")

    assert ([None, None], []) == ([each.at for each in found], notices)


def test_dates_in_the_stamps_of_a_run_are_times():
    """
    A table of runs that holds dates is held to every rule about stamps, as one of numbers is.
    """
    text = "id,status,created_at,started_at\nr,in_progress,2026-09-01 10:00:01+00,2026-09-01 10:00:00Z\n"
    (finding,) = check(reads(text)[0]).findings

    assert ("RS203", "started_at is 1 s before created_at") == (finding.code, finding.message)


EVENTS = """\
id,run_id,status,created_at
1,j1,queued,1790000000
3,j1,completed,1790000002
2,j1,in_progress,1790000001
"""


def test_the_column_named_as_the_time_is_no_stamp():
    """
    What the caller calls the time of the observation is not held to the rules about stamps.
    """
    found = list(read(io.BytesIO(EVENTS.replace("id,run", "x,run").encode()), at="created_at"))

    assert [1790000000, 1790000002, 1790000001] == [each.at for each in found]
    assert ["RS108"] == [finding.code for finding in check(found).findings]


def test_a_row_with_an_id_of_its_own_is_an_event():
    """
    When an event was created is its time, and not when the run was created.
    """
    found = list(read(io.BytesIO(EVENTS.encode())))
    named = list(read(io.BytesIO(EVENTS.encode()), columns=Columns(run_id="run_id")))

    assert ["RS108"] == [finding.code for finding in check(found).findings]
    assert [each.at for each in found] == [each.at for each in named]
