"""
The formats: each says what the table says, and nothing that it is told to say.
"""

import hashlib
import io
import json
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from pictures import groups, picture_of, texts
from runstate import RUN, Lifecycle, Transition, load_lifecycle
from runstate.diagrams import FORMATS, Overlay, draw
from runstate.diagrams import png as png_format
from runstate.presets import PRESETS

SVG = "{http://www.w3.org/2000/svg}"

Rows = list[tuple[str, str, str]]

COUNTS = Overlay(
    counts={
        ("queued", "in_progress"): 14_204,
        ("in_progress", "completed"): 9_800,
        ("completed", "failed"): 3,
        ("completed", "weird"): 2,
    }
)
PATH = Overlay(
    current="completed",
    path=("queued", "in_progress", "requires_action", "queued", "in_progress", "completed"),
)


def decoded(text: str) -> str:
    """
    Return *text* with Mermaid's codes as the characters they stand for.
    """
    return re.sub(r"#(\d+);", lambda found: chr(int(found[1])), text)


def mermaid_rows(content: str) -> Rows:
    """
    Return trigger, source and target of each link but the one from the entry.
    """
    boxes = dict(re.findall(r'^    (s\d+)\(\[?"(.*?)(?:<br/>.*?)?"\]?\)', content, re.MULTILINE))
    links = re.findall(r'^    (s\d+) \S+\|"(.*)"\| (s\d+)$', content, re.MULTILINE)

    return [
        (decoded(name), decoded(boxes[source]), decoded(boxes[target]))
        for source, label, target in links
        for name in label.split("<br/>")
    ]


def dot_rows(content: str) -> Rows:
    """
    Return trigger, source and target of each edge but the one from the entry.
    """
    boxes = dict(re.findall(r'^  (s\d+) \[label="(.*?)(?:\\n.*?)?",', content, re.MULTILINE))
    edges = re.findall(r'^  (s\d+) -> (s\d+) \[label="(.*?)"', content, re.MULTILINE)

    return [(label, boxes[source], boxes[target]) for source, target, label in edges]


def uncoded(text: str) -> str:
    """
    Return *text* with the code points of PlantUML as the characters they stand for.
    """
    return re.sub(r"<U\+([0-9A-F]+)>", lambda found: chr(int(found[1], 16)), text)


def plantuml_rows(content: str) -> Rows:
    """
    Return trigger, source and target of each arrow but those of the beginning and the end.
    """
    boxes = dict(re.findall(r'^state "(.*?)(?:\\n.*?)?" as (s\d+)', content, re.MULTILINE))
    names = {key: uncoded(name) for name, key in boxes.items()}
    arrows = re.findall(r"^(s\d+) \S+ (s\d+) : (.*)$", content, re.MULTILINE)

    return [
        (uncoded(name), names[source], names[target])
        for source, target, label in arrows
        for name in label.split(r"\n")
    ]


def markdown_rows(content: str) -> Rows:
    """
    Return the first three cells of each line of the table.
    """
    cells = [line.strip("| ").split(" | ")[:3] for line in content.splitlines() if line[:2] == "| "]

    return [(a.strip("`"), b.strip("`"), c.strip("`")) for a, b, c in cells[1:]]


def json_rows(content: str) -> Rows:
    """
    Return trigger, source and target of each transition.
    """
    rows = json.loads(content)["transitions"]

    return [(row["trigger"], row["source"], row["target"]) for row in rows]


def svg_rows(content: str) -> Rows:
    """
    Return trigger, source and target out of the title of each arrow.
    """
    titles = (group[0].text or "" for group in groups(content, "arrow"))
    lines = (line for title in titles for line in title.splitlines())
    found = (re.match(r"(.*): (.*) -> (.*) \(\w+\)", line) for line in lines)

    return [(m[1], m[2], m[3]) for m in found if m]


READERS = {
    "mermaid": mermaid_rows,
    "dot": dot_rows,
    "svg": svg_rows,
    "plantuml": plantuml_rows,
    "markdown": markdown_rows,
    "json": json_rows,
}


def drawn(form: str, overlay: Overlay = Overlay(), lifecycle: Lifecycle = RUN) -> str:  # noqa: B008
    """
    Return the picture as text.
    """
    return draw(lifecycle, form, overlay).decode()


def test_every_initial_status_has_an_entry():
    """
    Each format draws an arrow to every status that a run may begin in; JSON lists them.
    """
    river = PRESETS["river-job"]
    begins = [f"s{river.statuses.index(status)}" for status in river.initial_statuses]
    lines = {
        form: draw(river, form).decode().splitlines() for form in ("mermaid", "dot", "plantuml")
    }

    assert begins == [s.split(" --> ")[1] for s in lines["mermaid"] if "entry --> " in s]
    assert begins == [s.split("-> ")[1].strip(";") for s in lines["dot"] if "entry -> " in s]
    assert begins == [s.split(" --> ")[1] for s in lines["plantuml"] if s.startswith("[*] --> ")]
    assert list(river.initial_statuses) == json.loads(draw(river, "json"))["initial"]
    assert "A run is created available or scheduled or pending" in draw(river, "svg").decode()
    words = "A run is created `available` or `scheduled` or `pending` and ends"
    assert words in draw(river, "markdown").decode()


@pytest.mark.parametrize("form", READERS)
def test_every_format_names_every_row(form: str) -> None:
    """
    Read back, each format has exactly the rows of the table.
    """
    expected = sorted((row.trigger, str(row.source), str(row.target)) for row in RUN)

    assert expected == sorted(READERS[form](drawn(form)))


def test_formats_by_suffix() -> None:
    """
    Each suffix belongs to one format.
    """
    assert {
        ".mmd": "mermaid",
        ".dot": "dot",
        ".gv": "dot",
        ".svg": "svg",
        ".png": "png",
        ".puml": "plantuml",
        ".plantuml": "plantuml",
        ".md": "markdown",
        ".json": "json",
    } == {suffix: name for name, known in FORMATS.items() for suffix in known.suffixes}


def test_unknown_format_lists_the_known_ones() -> None:
    """
    An unknown format is refused by name, with those that would have worked.
    """
    with pytest.raises(ValueError, match=r"^no format 'gif\\x1b'") as caught:
        draw(RUN, "gif\x1b")

    assert "no format 'gif\\x1b' (known: mermaid, dot, svg, png, plantuml, markdown, json)" == str(
        caught.value
    )


def test_negative_count_is_refused() -> None:
    """
    A count below zero is a mistake of the caller.
    """
    with pytest.raises(ValueError, match=r"^count of a -> b must not be negative, is -1$"):
        Overlay(counts={("a", "b"): -1})


def test_overlay_keeps_a_copy() -> None:
    """
    An overlay does not change with what it was made from.
    """
    counts = {("a", "b"): 1}
    overlay = Overlay(counts=counts)
    counts["a", "b"] = 2

    assert Overlay(counts={("a", "b"): 1}) == overlay


def run_python(code: str, **env: str) -> str:
    """
    Return what *code* prints in a process of its own.
    """
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path), **env},
    )

    return result.stdout.strip()


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    """
    The package loads no picture, and no picture but the PNG loads Pillow.
    """
    code = """
import sys, runstate
print([m for m in sys.modules if m.startswith(("runstate.diagrams", "PIL"))])
from runstate.diagrams import FORMATS, draw
for name in FORMATS:
    draw(runstate.RUN, name)
    print(name, "PIL" in sys.modules)
"""
    expected = """[]
mermaid False
dot False
svg False
png True
plantuml True
markdown True
json True"""

    assert expected == run_python(code)


def test_same_bytes_in_every_process() -> None:
    """
    Whatever the order of sets is in a process, each format gives the same bytes.
    """
    code = """
import hashlib, runstate
from runstate.diagrams import FORMATS, Overlay, draw
overlay = Overlay(counts={("completed", "failed"): 3, ("a", "b"): 1, ("queued", "a"): 1})
for name in FORMATS:
    print(name, hashlib.sha256(draw(runstate.RUN, name, overlay)).hexdigest())
"""
    overlay = Overlay(counts={("completed", "failed"): 3, ("a", "b"): 1, ("queued", "a"): 1})
    here = [f"{n} {hashlib.sha256(draw(RUN, n, overlay)).hexdigest()}" for n in FORMATS]

    assert here == run_python(code, PYTHONHASHSEED="1").splitlines()
    assert here == run_python(code, PYTHONHASHSEED="2").splitlines()


# -- marks ---------------------------------------------------------------------------

INFERRED = sorted(
    (row.trigger, str(row.source), str(row.target)) for row in RUN if row.evidence == "inferred"
)


def test_svg_marks() -> None:
    """
    SVG tells the initial status, each end with its outcome, and dashes what is inferred.
    """
    content = drawn("svg")
    ends = {g[0].text: g.attrib["class"].split()[3] for g in groups(content, "terminal")}
    dashed = [
        group[0].text or ""
        for group in groups(content, "arrow")
        if any("dashed" in path.attrib["class"] for path in group.iter(f"{SVG}path"))
    ]

    assert ["queued: live, initial"] == [group[0].text for group in groups(content, "initial")]
    assert {f"{s}: terminal, {what}": what for s, what in RUN.terminal.items()} == ends
    assert INFERRED == sorted(
        m.groups() for m in (re.match(r"(.*): (.*) -> (.*) \(inferred\)", t) for t in dashed) if m
    )
    assert ["inferred: no source states it"] == [texts(g)[0] for g in groups(content, "legend")]


def test_svg_tells_outcomes_without_colour() -> None:
    """
    Each end has a mark of its own shape, and says its outcome unless its name does.
    """
    marks = {}
    for group in groups(drawn("svg"), "terminal"):
        paths = (path.attrib["d"] for path in group.iter(f"{SVG}path"))
        # Shapes are compared by their steps, wherever they are drawn.
        marks[texts(group)[0]] = (
            tuple(re.sub(r"[\d.,-]+", "", d) for d in paths),
            texts(group)[1:],
        )

    assert len(RUN.terminal) == len({shape for shape, _ in marks.values()})
    assert {
        "cancelled": [],
        "failed": ["failure"],
        "completed": ["success"],
        "incomplete": [],
        "expired": ["timeout"],
    } == {name: caption for name, (_, caption) in marks.items()}


def test_mermaid_marks() -> None:
    """
    Mermaid has an entry to the initial status, an outcome's class at each end, dashed links.
    """
    content = drawn("mermaid")
    dashed = [line for line in content.splitlines() if ":::" in line or "-.->" in line]
    ends = re.findall(r'\(\["(\w+)(?:<br/>\w+)?"\]\):::(\w+)$', content, re.MULTILINE)

    assert "    entry --> s0\n" in content
    assert {str(s): what for s, what in RUN.terminal.items()} == dict(ends)
    assert INFERRED == sorted(mermaid_rows("\n".join(dashed)))


def test_dot_marks() -> None:
    """
    DOT has a point before the initial status, double lines around ends, dashed edges.
    """
    content = drawn("dot")
    lines = content.splitlines()
    dashed = [line for line in lines if "->" not in line or "style=dashed" in line]
    doubled = [line for line in lines if "peripheries=2" in line]

    assert "  entry -> s0;" in lines
    assert list(RUN.terminal) == [re.findall(r'label="(\w+)', line)[0] for line in doubled]
    assert INFERRED == sorted(dot_rows("\n".join(dashed)))


def test_plantuml_marks() -> None:
    """
    PlantUML begins and ends at its circles, colours ends by outcome, dashes what is inferred.
    """
    content = drawn("plantuml")
    lines = content.splitlines()
    dashed = [line for line in lines if "state" in line or "[dashed]" in line]
    ends = re.findall(r'^state "(\w+?)(?:\\n\w+)?" as (s\d+) <<(\w+)>>$', content, re.MULTILINE)

    assert "[*] --> s0" in lines
    assert {str(s): what for s, what in RUN.terminal.items()} == {
        name: kind for name, key, kind in ends if f"{key} --> [*]" in lines
    }
    assert INFERRED == sorted(plantuml_rows("\n".join(dashed)))


def test_markdown_marks() -> None:
    """
    Markdown names the initial status, each end with its outcome, and each row's evidence.
    """
    content = drawn("markdown")
    inferred = "\n".join(
        line for line in content.splitlines() if "| inferred |" in line or "| trigger |" in line
    )

    assert (
        "A run is created `queued` and ends `cancelled` (cancelled), `failed` (failure), "
        "`completed` (success), `incomplete` (incomplete), `expired` (timeout)."
    ) in content
    assert INFERRED == sorted(markdown_rows(inferred))


def test_json_reads_back(tmp_path: Path) -> None:
    """
    JSON is the whole lifecycle: loaded, it is equal.
    """
    file = tmp_path / "run.json"
    file.write_bytes(draw(RUN, "json"))

    assert load_lifecycle(file) == RUN


def test_json_leaves_out_what_is_empty() -> None:
    """
    A lifecycle of one row is printed with that row and no empty keys.
    """
    lifecycle = Lifecycle("short", (Transition("end", "a", "ü"),), "a", {"ü": "success"})
    expected = """{
  "name": "short",
  "status_field": "status",
  "id_field": "id",
  "initial": "a",
  "terminal": {
    "\\u00fc": "success"
  },
  "transitions": [
    {
      "trigger": "end",
      "source": "a",
      "target": "\\u00fc",
      "evidence": "documented"
    }
  ]
}
"""

    assert expected == drawn("json", lifecycle=lifecycle)


# -- overlays ------------------------------------------------------------------------


def test_svg_counts() -> None:
    """
    Counts are on the labels, wider lines were seen more often, the rest is pale, illegal is red.
    """
    content = drawn("svg", COUNTS)
    arrows = groups(content, "arrow")
    seen = {texts(g)[0]: g.attrib["class"] for g in arrows if "·" in texts(g)[0]}

    assert {
        "start · 14,204": "arrow plain",
        "complete · 9,800": "arrow plain",
        "illegal · 3": "arrow illegal",
        "illegal · 2": "arrow illegal",
    } == seen
    assert len(RUN) - 2 == len(groups(content, "arrow", "faint"))
    assert [["weird", "unknown status"]] == list(map(texts, groups(content, "box", "illegal")))
    assert [
        "observed, wider is more often",
        "not observed",
        "illegal",
        "inferred: no source states it",
    ] == [texts(group)[0] for group in groups(content, "legend")]


def test_width_follows_the_logarithm() -> None:
    """
    Of two counts the larger is drawn wider, by their logarithms.
    """
    overlay = Overlay(counts={("queued", "in_progress"): 9_999, ("in_progress", "completed"): 99})
    widths = {arrow.count: arrow.stroke for arrow in picture_of(RUN, overlay).arrows}

    assert {9_999: 5.0, 99: 3.25, 0: 1.5} == widths


def test_svg_path() -> None:
    """
    The moves of one run are numbered, everything else is pale, the current status has a ring.
    """
    content = drawn("svg", PATH)
    steps = {
        tuple(texts(group)) for group in groups(content, "arrow") if "path" in group.attrib["class"]
    }

    assert {
        ("1, 4", "start"),
        ("2", "require_action"),
        ("3", "submit_tool_outputs"),
        ("5", "complete"),
    } == steps
    assert ["completed: terminal, success, current"] == [
        group[0].text for group in groups(content, "current")
    ]
    assert 1 == len(groups(content, "ring"))


def test_path_with_gaps() -> None:
    """
    A repeat is no move, a gap that the table explains is dotted, one that it does not is illegal.
    """
    overlay = Overlay(path=("queued", "queued", "requires_action", "completed", "failed"))
    arrows = [arrow for arrow in picture_of(RUN, overlay).arrows if arrow.illegal]
    found = {(a.source, a.target): (a.role, a.badge, a.dash) for a in arrows}

    assert {
        ("queued", "requires_action"): ("gap", "1", "dotted"),
        ("requires_action", "completed"): ("gap", "2", "dotted"),
        ("completed", "failed"): ("illegal", "3", "solid"),
    } == found


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (
            "mermaid",
            ["start #183; 14,204", "illegal #183; 3", ":::unknown", "linkStyle 1 stroke-width"],
        ),
        (
            "dot",
            ['label="start · 14,204"', 'label="illegal · 3"', 'label="weird\\nunknown status"'],
        ),
        (
            "plantuml",
            ["-[thickness=4]-> s1 : start <U+00B7> 14,204", "<<unknown>>", "illegal"],
        ),
        (
            "markdown",
            ["| 14,204 |", "| `completed` | `failed` | 3 |", "| `completed` | `weird` | 2 |"],
        ),
        ("json", ['"observed": [', '"count": 14204']),
    ],
)
def test_counts_in_text(form: str, expected: list[str]) -> None:
    """
    The formats of text show the counts, and what is illegal as such.
    """
    content = drawn(form, COUNTS)

    assert [] == [text for text in expected if text not in content]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("mermaid", ['==>|"(1, 4) start"|', '|"(5) complete"|', "style s6 stroke"]),
        ("dot", ['label="(1, 4) start"', 'label="(5) complete"', "penwidth=4"]),
        (
            "plantuml",
            ["thickness=2]-> s1 : (1, 4) start", ": (5) complete", "##[bold]17212b"],
        ),
        (
            "markdown",
            ["`requires_action` → `queued` → `in_progress`", "Current status: `completed`"],
        ),
    ],
)
def test_path_in_text(form: str, expected: list[str]) -> None:
    """
    The formats of text show the path by its steps, and the current status.
    """
    content = drawn(form, PATH)

    assert [] == [text for text in expected if text not in content]


def test_too_much_that_is_illegal_is_counted() -> None:
    """
    Of endless illegal moves the most frequent are drawn, and the picture says how many are not.
    """
    counts = {(f"lost_{n:03}", "queued"): 100 + n for n in range(100)}
    picture = picture_of(RUN, Overlay(counts=counts))
    unknown = [box.status for box in picture.boxes if box.role == "illegal"]

    assert [f"lost_{n:03}" for n in range(99, 87, -1)] == unknown
    assert {(status, "queued") for status in unknown} == {
        (arrow.source, arrow.target) for arrow in picture.arrows if arrow.illegal
    }
    assert "and 88 more illegal moves, not drawn" == picture.legend[-1].text


def test_illegal_moves_between_known_statuses_are_bounded_too() -> None:
    """
    Of all pairs of statuses, the forty illegal ones observed most often are drawn.
    """
    pairs = [(source, target) for source in RUN.statuses for target in RUN.statuses]
    counts = {pair: 1_000 - n for n, pair in enumerate(pairs) if not RUN.rows(*pair)}
    picture = picture_of(RUN, Overlay(counts=counts))

    assert {*list(counts)[:40]} == {p for p, arrow in picture.pairs.items() if arrow.illegal}
    assert f"and {len(counts) - 40} more illegal moves, not drawn" == picture.legend[-1].text


def test_everything_about_a_row_is_in_its_title() -> None:
    """
    An arrow's title names the row, its evidence, its source, and how often it was observed.
    """
    titles = [group[0].text for group in groups(drawn("svg", COUNTS), "arrow")]
    row = RUN.row("start", "queued")
    assert row is not None

    assert (
        f"start: queued -> in_progress (documented); {row.citation}\nobserved 14,204 times"
        in titles
    )


def test_a_path_over_counts() -> None:
    """
    With both given, the path is marked, what was counted elsewhere stays, and the rest is pale.
    """
    counts = {("queued", "in_progress"): 9, ("in_progress", "completed"): 4, GAP: 2}
    overlay = Overlay(current="failed", path=("queued", "in_progress", "failed"), counts=counts)
    picture = picture_of(RUN, overlay)
    arrows = {
        pair: (arrow.role, arrow.count, arrow.badge)
        for pair, arrow in picture.pairs.items()
        if arrow.role != "faint"
    }
    legend = [entry.text for entry in picture.legend]

    assert arrows == {
        ("queued", "in_progress"): ("path", 9, "1"),
        ("in_progress", "failed"): ("path", 0, "2"),
        ("in_progress", "completed"): ("plain", 4, ""),
        GAP: ("illegal", 2, ""),
    }
    assert {box.status: box.role for box in picture.boxes if box.role != "faint"} == {
        "queued": "path",
        "in_progress": "path",
        "failed": "path",
        "completed": "plain",
        "requires_action": "plain",
    }
    assert all(arrow.count == 0 for arrow in picture.arrows if arrow.role == "faint")
    assert "not observed" in legend
    assert "path of the run, moves numbered" in legend


GAP = ("requires_action", "completed")


def test_a_status_that_was_seen_is_not_pale() -> None:
    """
    A status is drawn as seen though no move of it was, and an unknown one is drawn at all.
    """
    picture = picture_of(RUN, Overlay(seen=frozenset({"queued", "weird"})))

    assert {box.status: box.role for box in picture.boxes if box.role != "faint"} == {
        "queued": "plain",
        "weird": "illegal",
    }
    assert {("faint", 0)} == {(arrow.role, arrow.count) for arrow in picture.arrows}
    assert "| observed |" in drawn("markdown", Overlay(seen=frozenset({"queued"})))


def test_the_status_of_a_move_that_was_counted_is_seen() -> None:
    """
    Counts say which statuses were seen; a count of none does not.
    """
    overlay = Overlay(counts={("a", "b"): 1, ("b", "c"): 0}, seen=frozenset({"d"}))

    assert {"a", "b", "d"} == overlay.seen
    assert overlay.counted
    assert not Overlay(current="queued", path=("queued",)).counted


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "observed 0 times"), (1, "observed once"), (2, "observed 2 times")],
)
def test_once_is_not_one_times(count: int, expected: str) -> None:
    """
    A title says in words how often a move was observed.
    """
    counts = {("queued", "in_progress"): count, ("in_progress", "completed"): 5}
    (title,) = [
        group[0].text.split("\n")[1]
        for group in groups(drawn("svg", Overlay(counts=counts)), "arrow")
        if group[0].text.startswith("start: queued")
    ]

    assert expected == title


def test_one_move_left_out_is_one() -> None:
    """
    The legend counts what is not drawn, and one in the singular.
    """
    counts = {(f"lost_{n:03}", "queued"): 1 for n in range(13)}
    legend = groups(drawn("svg", Overlay(counts=counts)), "legend")

    assert ["and 1 more illegal move, not drawn"] == texts(legend[-1])


# -- hostile text --------------------------------------------------------------------

EVIL = (
    "</script><img onerror=x src=y>",
    '"];evil[',
    "javascript:alert(1)",
    '%%{init: {"theme": "dark"}}%%',
    "a|b",
    "`code` ``",
    "end",
    "&lt; &#35; #35; #quot;",
    "<b>*bold*</b> _em_ [link](javascript:x) ![i](http://evil.example)",
    "\\N \\G \\",
    "it's 日本語 😀",
    "]]> --> <!-- <?x?>",
)
WORSE = (
    "new\nline",
    "\u202eexe.gnp",
    "nul\0",
    "\ud800",
    "\x1b[31m",
    "",
    "\ufffe\uffff",
    "\u2028",
    "x" * 999,
)

HOSTILE = Lifecycle(
    EVIL[0],
    (
        *(
            Transition(name, name, EVIL[(n + 1) % len(EVIL)], citation=name)
            for n, name in enumerate(EVIL)
        ),
        Transition("end -->", EVIL[0], "z"),
    ),
    EVIL[0],
    {"z": "error"},
)
HOSTILE_OVERLAY = Overlay(
    current="\ud800",
    path=(EVIL[0], EVIL[1], WORSE[0]),
    counts={
        **dict.fromkeys(zip(EVIL, WORSE, strict=False), 2),
        (EVIL[2], EVIL[1]): 1,
    },
)
UNSEEN = {*"\0\x1b\u202e\u2028\ufffe\uffff", *map(chr, range(0xD800, 0xE000))}


@pytest.mark.parametrize("form", [name for name in FORMATS if name != "png"])
def test_hostile_text_is_valid_and_inert(form: str) -> None:
    """
    Whatever names hold, the output is UTF-8 without controls, and no line of it is one of theirs.
    """
    content = drawn(form, HOSTILE_OVERLAY, HOSTILE)

    assert set() == UNSEEN & set(content)
    # Between the quotes of DOT and JSON a tag is text; everywhere else it would be one.
    assert (form in ("dot", "json")) == ("<img" in content)
    assert [] == [
        line for line in content.splitlines() if line.strip().startswith(("evil", "%%", "line"))
    ]


def test_hostile_svg_has_only_our_elements() -> None:
    """
    The SVG parses, and holds no element or attribute that we do not write.
    """
    root = ET.fromstring(draw(HOSTILE, "svg", HOSTILE_OVERLAY))  # noqa: S314  our own output
    elements = {element.tag.removeprefix(SVG) for element in root.iter()}
    attributes = {name for element in root.iter() for name in element.attrib}
    classes = " ".join(element.attrib.get("class", "") for element in root.iter())

    assert elements <= {
        "svg",
        "title",
        "desc",
        "style",
        "rect",
        "g",
        "path",
        "polygon",
        "circle",
        "text",
    }
    assert attributes <= {
        "class",
        "role",
        "width",
        "height",
        "viewBox",
        "x",
        "y",
        "rx",
        "cx",
        "cy",
        "r",
        "d",
        "points",
        "textLength",
        "lengthAdjust",
    }
    assert re.fullmatch(r"[a-z0-9 -]*", classes)
    assert 1 == len(list(root.iter(f"{SVG}style")))


def test_hostile_names_are_still_told() -> None:
    """
    Escaping changes no name: read back from the SVG, every row is there as it is.
    """
    titles = [g[0].text or "" for g in groups(drawn("svg", HOSTILE_OVERLAY, HOSTILE), "arrow")]
    told = sorted(title.splitlines()[0] for title in titles if "(documented)" in title)
    expected = (
        f"{row.trigger}: {row.source} -> {row.target} (documented)"
        + (f"; {row.citation}" if row.citation else "")
        for row in HOSTILE
    )

    assert sorted(expected) == told


def test_hostile_mermaid_is_our_statements_only() -> None:
    """
    Each line of Mermaid is one of our statements, with labels of harmless characters.
    """
    label = r'"(?:[A-Za-z0-9 (),._-]|#\d+;|<br/>)*"'
    statement = re.compile(
        rf"flowchart LR|    (?:entry\(\( \)\):::entry|entry --> s\d+"
        rf"|s\d+(?:\({label}\)|\(\[{label}\]\)):::[a-z]+"
        rf"|s\d+ (?:-->|==>|-\.->)\|{label}\| s\d+"
        rf"|classDef [a-z]+ [a-z0-9#:,-]+|style s\d+ [a-z0-9#:,-]+|linkStyle \d+ [a-z0-9#:,.-]+)"
    )
    lines = drawn("mermaid", HOSTILE_OVERLAY, HOSTILE).splitlines()
    names = {source for _, source, _ in mermaid_rows("\n".join(lines))}

    assert [] == [line for line in lines if not statement.fullmatch(line)]
    assert set(EVIL) <= names


def test_hostile_plantuml_is_our_statements_only() -> None:
    """
    Each line of PlantUML is one of our statements, with labels of harmless characters.
    """
    colour = r"#[0-9a-f]{6}"
    word = r"(?:[A-Za-z0-9 ]|<U\+[0-9A-F]{4,5}>|(?<=[A-Za-z0-9])[-_.,](?=[A-Za-z0-9]))+"
    label = rf"{word}(?:\\n{word})*"
    steps = r"(?:\(\d+(?:, \d+)*(?:\.\.\.)?\) )?"
    style = rf"(?:{colour}|dashed|dotted|thickness=\d)"
    statement = re.compile(
        rf"@startuml|@enduml|hide empty description|hide stereotype|left to right direction"
        rf"|skinparam shadowing false|skinparam ArrowColor {colour}|skinparam state \{{|\}}"
        rf"|  (?:Background|Border|Font)Color<<[a-z]+>> {colour}"
        rf'|state "{label}" as s\d+ <<[a-z]+>>(?: ##\[bold\][0-9a-f]{{6}})?'
        rf"|\[\*\] --> s\d+|s\d+ --> \[\*\]"
        rf"|s\d+ (?:-->|-\[{style}(?:,{style})*\]->) s\d+ : {steps}{label}"
    )
    lines = drawn("plantuml", HOSTILE_OVERLAY, HOSTILE).splitlines()
    names = {source for _, source, _ in plantuml_rows("\n".join(lines))}

    assert [] == [line for line in lines if not statement.fullmatch(line)]
    assert set(EVIL) <= names
    assert [0, len(lines) - 1] == [n for n, line in enumerate(lines) if line[0] == "@"]


@pytest.mark.parametrize("name", [" ", "  ", "a  b", "-", "%getenv(1)", "!include x", "@enduml"])
def test_no_label_of_plantuml_is_blank_or_a_command(name: str) -> None:
    """
    A label of nothing but space would be a syntax error, and a name is no command.
    """
    lifecycle = Lifecycle("x", [Transition(name, name, "z")], name, {"z": "error"})
    labels = re.findall(r'"(.*)"|: (.*)$', drawn("plantuml", lifecycle=lifecycle), re.MULTILINE)

    assert all(text.strip() and text[0] not in "!@%-" for pair in labels for text in pair if text)
    assert [(name, name, "z")] == plantuml_rows(drawn("plantuml", lifecycle=lifecycle))


def test_hostile_dot_is_our_statements_only() -> None:
    """
    Each line of DOT is one of our statements once its quoted strings are taken out.
    """
    content = drawn("dot", HOSTILE_OVERLAY, HOSTILE)
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "_", content)
    attributes = r"\[(?:[a-z]+=(?:_|[a-z0-9.]+)(?:, )?)+\]"
    statement = re.compile(
        rf"digraph _ \{{|\}}|  (?:rankdir=LR|(?:node|edge|entry|s\d+|s\d+ -> s\d+) {attributes}"
        r"|\{rank=same; s\d+\}|entry -> s\d+);"
    )

    assert [] == [line for line in bare.splitlines() if not statement.fullmatch(line)]


def test_hostile_markdown_is_one_table() -> None:
    """
    No name opens a cell, a tag, a link or a code span: unescaped, the cells are the rows again.
    """
    content = drawn("markdown", HOSTILE_OVERLAY, HOSTILE)
    table = [line for line in content.split("\n## ")[0].splitlines() if line[:2] == "| "][1:]
    cells = [
        [unescape(re.sub(r"^`(.*)`$", r"\1", cell)) for cell in line[2:-2].split(" | ")]
        for line in table
    ]
    spans = re.findall(r"`([^`\n]*)`", content)

    assert [[row.trigger, row.source, row.target] for row in HOSTILE] == [row[:3] for row in cells]
    assert {6} == {len(row) for row in cells}
    assert [] == [span for span in spans if not re.fullmatch(r"[A-Za-z0-9_.-]+", span)]
    assert None is re.search(r"[<\[\]*]|://", content.replace("&#", ""))


# -- PNG -----------------------------------------------------------------------------


@pytest.mark.parametrize("overlay", [Overlay(), COUNTS, PATH], ids=["plain", "counts", "path"])
def test_png_shows_every_text(overlay: Overlay) -> None:
    """
    The PNG is twice the scene's size, and in the place of each text there is one.
    """
    picture = picture_of(RUN, overlay)
    image = Image.open(io.BytesIO(draw(RUN, "png", overlay))).convert("RGB")
    places = [arrow.label for arrow in picture.arrows] + [box.rect for box in picture.boxes]
    places += [entry.rect for entry in picture.legend]
    empty = []
    for rect in places:
        inner = image.crop(
            (round(2 * rect.x), round(2 * rect.y), round(2 * rect.right), round(2 * rect.bottom))
        )
        colours = inner.getcolors(inner.width * inner.height) or []
        # Text has many shades, by its smooth edges.
        if len(colours) < 10:
            empty.append(rect)

    assert (round(2 * picture.width), round(2 * picture.height)) == image.size
    assert [] == empty


def test_png_of_hostile_text() -> None:
    """
    A name that the font cannot show is drawn as its escape, and the picture is bounded.
    """
    image = Image.open(io.BytesIO(draw(HOSTILE, "png", HOSTILE_OVERLAY)))

    assert image.format == "PNG"
    assert max(image.size) <= png_format.LONGEST_SIDE
    assert "run \\u4e2d" == png_format._drawable("run 中")


def test_png_is_never_too_large() -> None:
    """
    However large the scene, sides and area of the PNG are bounded.
    """
    sizes = [(100.0, 100.0), (30_000.0, 200.0), (20_000.0, 20_000.0)]
    scales = [png_format.scale_for(*size) for size in sizes]

    assert [2.0, 0.4, pytest.approx(0.316, abs=0.001)] == scales
