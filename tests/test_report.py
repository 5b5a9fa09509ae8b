"""
The page of evidence, as far as it can be read without a browser.
"""

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner

from hostile import CORPUS, hostile_lifecycle, hostile_survey
from runstate import RUN, Finding, Observation, histories
from runstate.cli import command
from runstate.histories import Survey
from runstate.report import render_report

VOID = {"meta", "link", "input", "br", "img"}
TAGS = {
    "html", "head", "meta", "title", "style", "body", "a", "button", "header", "p", "code", "h1",
    "dl", "div", "dt", "dd", "nav", "ul", "li", "main", "section", "h2", "h3", "figure",
    "figcaption", "span", "table", "caption", "thead", "tbody", "tr", "th", "td", "b", "form",
    "label", "input", "select", "option", "details", "summary", "ol", "footer", "script",
    "svg", "desc", "g", "path", "polygon", "circle", "rect", "text",
}  # fmt: skip
"""Every element that a page may have."""


class Page(HTMLParser):
    """
    What a page is made of.
    """

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.raw = [], [], {}
        self._inside = None
        self.words = []
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag, attrs):
        """
        Note an element.
        """
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag in {"script", "style"}:
            self._inside = f"{tag} {dict(attrs).get('type', '')}".strip()

    def handle_endtag(self, tag):
        """
        Note its end.
        """
        if tag in {"script", "style"}:
            self._inside = None

    def handle_data(self, data):
        """
        Note text: that of scripts and styles apart from what is shown.
        """
        if self._inside:
            self.raw.setdefault(self._inside, []).append(data)
        else:
            self.words.append(data)

    @property
    def data(self):
        """What its script is given."""
        return json.loads("".join(self.raw["script application/json"]))

    @property
    def text(self):
        """What is shown, spaces joined."""
        return " ".join(" ".join(self.words).split())


def run(*statuses, run_id="run_1", file="log.jsonl"):
    """
    Return what was seen of a run, a second apart.
    """
    return [
        Observation(status, run_id, 1e9 + n, file=file, line=n + 1)
        for n, status in enumerate(statuses)
    ]


def page_of(history, observed="complete", lifecycle=RUN, **options):
    """
    Return the page on *history*.
    """
    survey = histories.survey(history, lifecycle, observed=observed, samples=100)

    return Page(render_report(survey, lifecycle, observed=observed, **options))


HISTORY = [
    *run("queued", "in_progress", "completed"),
    *run("queued", "completed", "failed", run_id="run_2"),
]


def digest(content):
    """
    Return what a policy calls *content*.
    """
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


def checked(page):
    """
    Assert that *page* has nothing that acts but its own script, and asks for nothing.
    """
    policy = dict(
        each.split(" ", 1)
        for each in next(
            value
            for tag, name, value in page.attributes
            if tag == "meta" and name == "content" and value.startswith("default-src")
        ).split("; ")
    )
    ((script,), (style,)) = page.raw["script"], page.raw["style"]

    assert {
        "default-src": "'none'",
        "style-src": digest(style),
        "script-src": digest(script),
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    } == policy
    assert {"script", "style", "script application/json"} == {*page.raw}
    assert TAGS >= {*page.tags}
    assert (2, 1) == (page.tags.count("script"), page.tags.count("style"))
    assert [] == [each for each in page.attributes if each[1].startswith("on")]
    assert [] == [
        each for each in page.attributes if each[1] in {"style", "src", "action", "srcdoc"}
    ]
    links = {value for _, name, value in page.attributes if name in {"href", "xlink:href"}}
    assert [] == [link for link in links if not re.fullmatch(r"#[a-z]+\d*", link)]
    assert {"application/json"} >= {
        value for tag, name, value in page.attributes if tag == "script" and name == "type"
    }


@pytest.mark.parametrize("observed", ["complete", "polled", "unordered"])
def test_a_page_fetches_nothing_and_runs_its_own_script_alone(observed):
    """
    The policy lets in one style and one script by their digests, and nothing else is there.
    """
    checked(page_of(HISTORY, observed, files=["log.jsonl"]))


@pytest.mark.parametrize("observed", ["complete", "polled", "unordered"])
def test_hostile_texts_stay_texts(observed):
    """
    Whatever ids, statuses, triggers, messages, hints and files say, they are shown and no more.
    """
    lifecycle = hostile_lifecycle()
    survey = hostile_survey(lifecycle, observed)
    content = render_report(survey, lifecycle, observed=observed, files=CORPUS)
    page = Page(content)

    assert len(CORPUS) > 200
    checked(page)
    assert len(content) < 3_000_000
    assert "<script>" in page.text
    assert [] == [c for c in content.decode() if c != "\n" and not c.isprintable()]
    (script, *_) = page.raw["script application/json"]
    assert not {*"<>&\u2028\u2029"} & {*script}


def test_it_says_what_was_checked():
    """
    The head has the verdict, the counts, the model, the period and the files.
    """
    text = page_of(HISTORY, files=["log.jsonl", "<other>"]).text

    for said in (
        "2 errors in 2 runs",
        "Observations 6",
        "complete: every change was seen, in order",
        "2001-09-09 01:46:40 UTC to 2001-09-09 01:46:42 UTC (2 s)",
        "log.jsonl , <other>",
    ):
        assert said in text


def test_it_shows_moves_findings_times_and_ends():
    """
    Every section is there without any script.
    """
    text = page_of(HISTORY).text

    for said in (
        "illegal queued completed 1 983 ms 983 ms 983 ms 983 ms 1 s",
        "start queued in_progress 1 983 ms 983 ms 983 ms 983 ms 1 s",
        "RS103 error run_2 queued -> completed: no such move log.jsonl:2",
        "shortest legal path: queued -start-> in_progress -complete-> completed",
        "RS105 something after a terminal status 1",
        "queued 2 983 ms 983 ms 983 ms 983 ms 1 s 2 s",
        "completed success 1 50.0 %",
        "16 of 18 rows",
        "request_cancel queued cancelling implemented",
        "All 2 runs",
    ):
        assert said in text


OPEN = [
    *HISTORY,
    *run("queued", run_id="run_3"),
    *[Observation("queued", f"<b>{n}", 1e9 + 100 * n) for n in range(30)],
    Observation("queued", None, 1e9 + 9_000),
]


def test_the_first_screen_answers():
    """
    Is something wrong, since when, how much; what is stuck; what begins and ends; how long it takes.
    """
    text = page_of(OPEN).text

    for said in (
        "All findings are of the 5 min from 2001-09-09 01:45 UTC on.",
        "The commonest illegal move is completed → failed : once.",
        "32 runs had not ended , one of them unchanged for 2.5 h.",
        "34 runs began, 2 ended",
        "completed 1 2 s 2 s 2 s 2 s 2 s",
        "2 findings, from 2001-09-09 01:45 to 2001-09-09 01:45 UTC",
        "32 runs had not ended at the end of the log, 2001-09-09 04:16:40 UTC.",
        "queued 32 2.5 h",
        "run_3 queued 2001-09-09 01:46:40 UTC 2.5 h",
        "12 more open runs",
        "(no id) queued",
        "queued → in_progress → completed 1 2.9 % 2 s 2 s 2 s",
        "illegal queued → completed → failed 1 2.9 %",
        "queued 32 94.1 % - - -",
    ):
        assert said in text


def test_a_log_in_which_every_run_has_ended_says_so():
    """
    Nothing is open, and nothing went wrong over time.
    """
    text = page_of(run("queued", "in_progress", "completed")).text

    assert "Every run that was seen has ended." in text
    assert "Findings, from" not in text


def test_a_long_way_is_shortened_and_rare_ways_are_counted():
    """
    A loop is one part of a path, of many parts some are shown with the last, and of many paths the commonest.
    """
    loop = ("queued", "in_progress", "requires_action")
    long = run("queued", *(f"odd_{n}" for n in range(26)), run_id="long")
    text = page_of([*run(*loop * 3, "queued", "in_progress"), *long]).text
    many = [
        each
        for n in range(90)
        for each in run(*("queued", "in_progress") * (n + 1), run_id=f"run_{n}")
    ]

    assert (
        "( queued → in_progress → requires_action ) 3 times → queued → in_progress 1 50.0 %" in text
    )
    assert "illegal queued → odd_0 → " in text
    assert "odd_11 → … 13 more … → odd_25 1 50.0 %" in text
    assert "50 runs took other paths." in page_of(many).text


def printed(history):
    """
    Return what ``runstate check --summary`` prints of *history*.
    """
    lines = "".join(
        json.dumps({"run_id": each.run_id, "status": each.status, "at": each.at}) + "\n"
        for each in history
    )
    done = CliRunner().invoke(command, ["check", "-", "--summary"], lines, standalone_mode=False)

    assert 0 == done.return_value

    return done.stdout


def test_page_and_terminal_call_a_path_a_path():
    """
    One word for what a run went through, as a heading, a column and a filter.
    """
    history = run("queued", "in_progress", "completed")
    page = render_report(histories.survey(history, samples=9))

    for text in (printed(history), page_of(history).text):
        assert "Paths, the commonest first" in text
        assert not re.search(r"\bways?\b", text, re.IGNORECASE)
    assert b'path: "Path"' in page


def test_moves_that_no_source_states_are_counted():
    """
    They are legal, by reasoning alone: the page and the terminal say how many, and which is the commonest.
    """
    inferred = [row for row in RUN if row.evidence == "inferred" and row.source == "queued"]
    end = str(inferred[0].target)
    seen = [each for name in "ab" for each in run("queued", end, run_id=name)]
    said = "2 of 3 moves follow inferred rows, which no source states; the commonest is queued → "
    history = [*seen, *run("queued", "in_progress", run_id="c")]

    assert f"{said}{end}." in printed(history)
    assert said in page_of(history).text
    assert "inferred rows" not in page_of(run("queued", "in_progress", "completed")).text
    assert "inferred rows" not in page_of(seen, "polled").text


def test_a_log_without_fault_says_so():
    """
    Where nothing is wrong there is no table of findings.
    """
    page = page_of(run("queued", "in_progress", "completed"))

    assert "No error in 1 run" in page.text
    assert "Findings There are none." in page.text


def test_nothing_seen_is_no_clean_bill():
    """
    A page on nothing says that nothing was seen.
    """
    page = page_of([])

    checked(page)
    assert "No run was seen" in page.text
    assert "No error" not in page.text


def test_warnings_records_and_undecided_runs_are_told():
    """
    What is neither right nor wrong is in the head too.
    """
    history = [
        Finding("RS901", "error", "no JSON", file="log", line=3),
        Finding("RS301", "warning", "late", "run_1"),
        *run("queued"),
    ]
    text = page_of(history, "polled").text

    assert "1 error in 1 run" in text
    assert "1 warning that are known" in text
    assert "1 finding of these is about records" in text
    assert "1 run remains undecided" in text


def test_gaps_between_polls_are_no_moves():
    """
    What was missed between two polls is listed apart, and marked in the timeline.
    """
    page = page_of(run("queued", "completed"), "polled")

    assert "Gaps: legal moves in between were not seen" in page.text
    assert "illegal" not in page.text
    assert [2] == [step[7] for step in page.data["runs"][0][2] if len(step) == 8]


def test_timelines_are_packed():
    """
    A timeline has the times since its beginning, where each was read, and what is wrong.
    """
    history = [
        *run("queued", "queued", "completed"),
        Observation("failed", "run_2", source="in_progress"),
    ]
    page = page_of(history)
    data = page.data
    queued, completed, failed, in_progress = (
        data["statuses"].index(status)
        for status in ("queued", "completed", "failed", "in_progress")
    )

    assert ["log.jsonl"] == data["files"]
    assert [
        [
            "run_1",
            1e9,
            [[queued, 0.0, 1, 0, -1, 2, 1.0], [completed, 2.0, 3, 0, -1, 1, 2.0, 1]],
            0,
        ],
        ["run_2", None, [[failed, None, 0, -1, in_progress]], 0],
    ] == sorted(data["runs"])
    assert "live" == data["kinds"][queued]
    assert "failure" == data["kinds"][failed]


def many(findings, runs):
    """
    Return a survey of a great log.
    """
    found = tuple(
        Finding(
            "RS103",
            "error",
            "requires_action -> completed: no such move",
            f"run_{n:024x}",
            "requires_action",
            "completed",
            "shortest legal path: requires_action -submit_tool_outputs-> queued -start-> "
            "in_progress -complete-> completed",
            "events/2026-11-22/part-00017.jsonl.gz",
            1_000_000 + n,
        )
        for n in range(findings)
    )
    way = ("queued", "in_progress", "requires_action", "queued", "in_progress", "completed")
    timelines = {
        f"run_{n:024x}": tuple(
            Observation(status, f"run_{n:024x}", 1.79e9 + n + k * 1.234567, file="a.jsonl", line=k)
            for k, status in enumerate(way)
        )
        for n in range(runs)
    }

    return Survey(
        runs=10**8, observations=6 * 10**8, undecided=0, findings=found,
        tally={"RS103": 4 * findings}, errors=4 * findings, seen={}, ends={}, moves={}, dwell={},
        timelines=timelines,
    )  # fmt: skip


def test_a_great_log_makes_a_small_page():
    """
    With 10,000 findings and 2,000 timelines, all of them shown, it stays under 3 MB.
    """
    content = render_report(many(10_000, 2_000))
    page = Page(content)

    assert len(content) < 3_000_000
    assert "Findings: the first 10,000 of 40,000" in page.text
    assert 10_000 == page.text.count("no such move")
    assert 2_000 == len(page.data["runs"])
    assert "2,000 of 100,000,000 runs: those with findings first" in page.text


def test_what_is_too_long_is_cut_and_said():
    """
    Findings and timelines that would not fit are left out, and the page says how many are in.
    """
    survey = many(10_000, 2_000)
    long = tuple(each._replace(message="m" * 250, file="f" * 200) for each in survey.findings)
    lines = {run: line * 60 for run, line in survey.timelines.items()}
    content = render_report(survey._replace(findings=long, timelines=lines))
    page = Page(content)
    shown = page.text.count("m" * 250)

    assert len(content) < 3_000_000
    assert 1_000 < shown < 10_000
    assert f"Findings: the first {shown:,} of 40,000" in page.text
    kept = page.data["runs"]
    assert 10 < len(kept) < 2_000
    assert f"{len(kept):,} of 100,000,000 runs" in page.text
    assert {200, 160} == {len(kept[0][2]), kept[0][3]}


def test_the_same_survey_makes_the_same_page():
    """
    Nothing in a page comes from anywhere but what it is on.
    """
    survey = histories.survey(HISTORY, samples=10)

    assert render_report(survey) == render_report(survey)


def test_times_beyond_the_calendar_are_shown_as_numbers():
    """
    A time that is no day of any calendar is shown as it is.
    """
    history = [Observation("queued", "a", -1e300), Observation("failed", "a", 1e300)]
    text = page_of(history).text

    assert "-1e+300 s to 1e+300 s" in text
