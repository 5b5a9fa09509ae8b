"""
The pages that are made from the code: findings, presets, maps, the command, the API, ``llms.txt``.

A page is a function that returns Markdown. Nothing here is kept in the repository, so no page can
be older than the code.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import click
from sphinx.pycode import ModuleAnalyzer

from runstate import RULES, Deviation, Finding, Lifecycle, Rule, check
from runstate.cli import command
from runstate.diagrams import draw
from runstate.lifecycle._definition_schema import definition_schema
from runstate.mapping import MAPS, StatusMap
from runstate.mapping._map_files import map_schema
from runstate.presets import PRESETS
from runstate.readers import read

__all__ = ["API", "NAMES", "write_pages"]

NAMES = "reference/api"

API: Mapping[str, str] = {
    "runstate": "The core: lifecycles, engines, the run and its models.",
    "runstate.errors": "Every exception, with the facts that it carries.",
    "runstate.lifecycle": "The table, its rows, and its files.",
    "runstate.runs": "The run, its engines and its log.",
    "runstate.histories": "Judging observed histories, and counting them.",
    "runstate.store": "Runs and jobs in a database.",
    "runstate.serving": "An HTTP server of runs, with workers and a sweeper.",
    "runstate.django": "Moves, guards and a journal for Django models.",
    "runstate.ddl": "Triggers and constraints for your own table.",
    "runstate.presets": "The lifecycles of other systems.",
    "runstate.mapping": "From the statuses of one lifecycle to those of another.",
    "runstate.interchange": "SCXML, XState and the formats of other state machine libraries.",
    "runstate.readers": "Files to observations.",
    "runstate.frames": "Large files, tables and dataframes.",
    "runstate.diagrams": "Pictures.",
    "runstate.report": "The page about a log.",
    "runstate.telemetry": "CloudEvents, OpenLineage, and processors for structlog.",
    "runstate.telemetry.dashboards": "Grafana dashboards and Prometheus alert rules.",
    "runstate.telemetry.otel": "OpenTelemetry.",
    "runstate.telemetry.prometheus": "Prometheus.",
    "runstate.testing": "The test kit for services and stores.",
    "runstate.testing.strategies": "Hypothesis strategies.",
    "runstate.testing.machines": "Stateful tests.",
}
"""Each public module, and its subject."""


def write_pages(docs: Path) -> None:
    """
    Write every generated page into the folder *docs*, where its content has changed.
    """
    pages = {
        "reference/findings.md": findings_page(),
        "reference/cli.md": cli_page(),
        "reference/maps.md": maps_page(),
        "reference/presets/index.md": presets_page(),
        f"{NAMES}/index.md": api_page(),
        **{f"reference/presets/{each.name}.md": preset_page(each) for each in PRESETS.values()},
        **{f"reference/presets/{each.name}.svg": picture(each) for each in PRESETS.values()},
        **module_pages(),
        "_extra/lifecycle.schema.json": json.dumps(definition_schema(), indent=2) + "\n",
        "_extra/map.schema.json": json.dumps(map_schema(), indent=2) + "\n",
        "_extra/llms.txt": llms_text(docs),
    }
    for name, content in pages.items():
        path = docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes) else content.encode()
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    cells = [[str(each).replace("|", r"\|").replace("\n", " ") for each in row] for row in rows]
    names = list(head)
    lines = [names, ["---"] * len(names), *cells]

    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _toctree(names: Iterable[str]) -> str:
    return "```{toctree}\n:hidden:\n\n" + "\n".join(names) + "\n```\n"


def _shown(value: Any) -> str:
    """
    Return *value* as inline code.
    """
    return f"`{value}`"


# Findings


def findings_page() -> str:
    """
    Return the page about the code of every finding, each with a history that gives it.
    """
    head = (
        "# Findings\n\n"
        "Each problem that `runstate` reports has a code. Codes are stable: a code never changes its "
        "meaning, and is never given to another rule. RS1xx concern statuses and their order, RS2xx the "
        "fields of a snapshot, RS3xx the passing of time, RS9xx records that cannot be read.\n\n"
        "An *error* is something that the lifecycle excludes. A *warning* is something that real "
        "services are known to do, or a matter of time.\n\n"
    )
    table = _table(
        ("code", "severity", "problem"),
        [(f"[{r.code}](#{r.code.lower()})", r.severity, r.title) for r in RULES.values()],
    )

    return f"{head}{table}\n\n" + "\n".join(_rule(rule) for rule in RULES.values())


def _rule(rule: Rule) -> str:
    return (
        f"## {rule.code}\n\n**{rule.title.capitalize()}** ({rule.severity})\n\n"
        f"{rule.what} {rule.why}\n\n"
        f"*What to do:* {rule.instead}\n\n*Where the rule comes from:* {rule.evidence}\n"
        f"{_broken(rule)}"
    )


def _broken(rule: Rule) -> str:
    """
    Return the example of *rule* and what the checker says about it, run while the page is made.
    """
    if rule.example is None:
        return ""
    if isinstance(rule.example, bytes):
        records = read(BytesIO(rule.example), format="jsonl")
        findings = [each for each in records if isinstance(each, Finding)]
        typed = rule.example.decode()
    else:
        findings = list(check(**rule.example).findings)
        arguments = ", ".join(
            repr(value) if name == "history" else f"{name}={value!r}"
            for name, value in rule.example.items()
        )
        typed = f"check({arguments})"
    found = [each for each in findings if each.code == rule.code]
    if not found:
        raise ValueError(f"the example of {rule.code} does not give it")
    hint = f" ({found[0].hint})" if found[0].hint else ""

    return f"\n```text\n{typed}\n{rule.code} {found[0].severity}: {found[0].message}{hint}\n```\n"


# Presets


def presets_page() -> str:
    """
    Return the list of all presets.
    """
    rows = [
        (
            f"[{each.name}]({each.name}.md)",
            len(each.statuses),
            len(each.transitions),
            ", ".join(map(str, each.terminal)) or "never",
        )
        for each in PRESETS.values()
    ]

    return (
        "# Presets\n\n"
        f"The lifecycles of other systems, {len(PRESETS)} of them. `check`, `draw`, `report`, `sql` and "
        "`lifecycles` take each by its name; in Python they are in `runstate.presets.PRESETS`. Every "
        "transition names the page or source file that it comes from.\n\n"
        + _table(("name", "statuses", "transitions", "ends"), rows)
        + "\n\n"
        + _toctree(PRESETS)
    )


def picture(lifecycle: Lifecycle) -> bytes:
    """
    Return the picture of *lifecycle*, with texts in full size in the column of text of the theme.
    """
    return draw(lifecycle, "svg", width=736)


def preset_page(lifecycle: Lifecycle) -> str:
    """
    Return the page about one preset: its picture, its transitions, its sources.
    """
    begins = ", ".join(f"`{each}`" for each in lifecycle.initial_statuses)
    ends = ", ".join(f"`{status}` ({word})" for status, word in lifecycle.terminal.items())
    rows = [
        (_shown(r.trigger), _shown(r.source), _shown(r.target), r.evidence, r.citation or "")
        for r in (*lifecycle.transitions, *lifecycle.reopenings)
    ]

    return (
        f"# {lifecycle.name}\n\n"
        f"An object begins in {begins} and ends in {ends or 'no status'}.\n\n"
        f"```{{image}} {lifecycle.name}.svg\n:alt: The lifecycle {lifecycle.name}\n"
        f":class: lifecycle\n:target: ../../_images/{lifecycle.name}.svg\n```\n\n"
        "A dashed arrow is inferred: no source states it. A dotted arrow reopens an object that has ended.\n\n"
        "## Transitions\n\n"
        + _table(("trigger", "source", "target", "evidence", "where it is stated"), rows)
        + _fields(lifecycle)
        + _deviations(lifecycle)
    )


def _fields(lifecycle: Lifecycle) -> str:
    rows = [
        (
            _shown(each.status),
            _codes(each.stamps),
            _codes((*each.requires, *each.accepts)),
            _codes(each.clears),
        )
        for each in lifecycle.entries
    ]
    head = "\n\n## Fields\n\nWhat a move into a status does to the fields of the object.\n\n"

    return (
        head + _table(("into", "times set", "set from the payload", "cleared"), rows)
        if rows
        else ""
    )


def _codes(names: Iterable[str]) -> str:
    return ", ".join(map(_shown, names)) or "-"


def _deviations(lifecycle: Lifecycle) -> str:
    lines = [f"* {each}" for each in map(_deviation, lifecycle.deviations)]
    head = "\n\n## Known deviations\n\nReal services do these; they are warnings.\n\n"

    return head + "\n".join(lines) + "\n" if lines else "\n"


def _deviation(each: Deviation) -> str:
    where = ", ".join(sorted(map(str, each.statuses))) if each.statuses else "any status"

    return f"`{each.field}` in {where} ([{each.code}](../findings.md#{each.code.lower()})): {each.citation}"


# Maps


def maps_page() -> str:
    """
    Return the page about all maps, with what each loses.
    """
    return (
        "# Maps\n\n"
        "A map says for each status of one lifecycle what it becomes in another, and what is lost. "
        "`check --map NAME` judges a log of the first system by the rules of the second.\n\n"
        "A map of your own is a TOML or JSON file (`check --map mine.toml`). The JSON Schema of such "
        'files is published with this site: <a href="../map.schema.json"><code>map.schema.json</code>'
        "</a>. `runstate lifecycles --maps --schema` prints it, and an editor takes it from the first "
        "line, `#:schema ./map.schema.json`.\n\n" + "\n".join(map(_map, MAPS.values()))
    )


def _map(each: StatusMap) -> str:
    rows = [
        (_shown(row.status), _shown(row.becomes) if row.becomes else "nothing", row.lost or "")
        for row in each
    ]

    return f"## {each.name}\n\n" + _table(("status", "becomes", "what is lost"), rows) + "\n"


# The command


def cli_page() -> str:
    """
    Return the reference of the command, made from its own help.
    """
    return (
        "# The command\n\n"
        "`pip install 'runstate[cli]'` brings it. Exit status 0: nothing wrong. 1: findings of severity "
        "error. 2: something could not be done or read; one line names the place. 130: interrupted.\n\n"
        + "\n".join(_command(name, each) for name, each in sorted(command.commands.items()))
    )


def _command(name: str, each: click.Command) -> str:
    context = click.Context(each, info_name=f"runstate {name}")
    pieces = " ".join(each.collect_usage_pieces(context))
    options = [
        record
        for parameter in each.params
        if (record := parameter.get_help_record(context)) is not None and record[1]
    ]

    return (
        f"## {name}\n\n```text\nrunstate {name} {pieces}\n```\n\n"
        + "\n\n".join(_paragraphs(each.help or ""))
        + "\n\n"
        + _table(("option", "meaning"), [(_shown(o), _escaped(t)) for o, t in options])
        + "\n"
    )


def _paragraphs(text: str) -> Iterator[str]:
    """
    Yield the paragraphs of a help text; what click keeps as it is becomes a block.
    """
    for each in re.split(r"\n\s*\n", text.strip()):
        if each.lstrip().startswith("\b"):
            lines = [line for line in each.replace("\b", "").splitlines() if line.strip()]
            if lines and not lines[0].strip().startswith("runstate"):
                lines = lines[1:]
            yield "```text\n" + "\n".join(line.strip() for line in lines) + "\n```"
        else:
            yield _escaped(" ".join(each.split()))


def _escaped(text: str) -> str:
    """
    Return *text* so that Markdown takes no character of it for markup.
    """
    return re.sub(r"([*_`<>\[\]{}$|])", r"\\\1", text)


# The API


def api_page() -> str:
    """
    Return the list of all public modules.
    """
    rows = [(f"[{name}]({name}.md)", text) for name, text in API.items()]

    return (
        "# Python API\n\n"
        "Made from the docstrings, which `help()` shows as well. A name that is listed here is public; "
        "a module or name that begins with an underscore is not.\n\n"
        + _table(("module", "subject"), rows)
        + "\n\n"
        + _toctree(API)
    )


def module_pages() -> dict[str, str]:
    """
    Return the page of each module. A name that several modules export is explained once.
    """
    pages, homes = {}, dict[int, str]()
    for name, subject in API.items():
        module = import_module(name)
        public = {each: getattr(module, each) for each in module.__all__}
        elsewhere = {each: homes[id(x)] for each, x in public.items() if id(x) in homes}
        data = [each for each, x in public.items() if not _is_code(x) and each not in elsewhere]
        homes |= {id(x): name for x in public.values() if id(x) not in homes}
        lines = [f"# {name}", "", subject, "", "```{eval-rst}", f".. automodule:: {name}"]
        if elsewhere or data:
            lines.append(f"   :exclude-members: {', '.join((*elsewhere, *data))}")
        for each in data:
            lines += ["", f".. py:data:: {each}", f"   :module: {name}", ""]
            lines += [f"   {line}" for line in _documentation(each, public[each])]
        lines += ["```", ""]
        for home in sorted({*elsewhere.values()}):
            names = [f"[`{each}`](#{home}.{each})" for each, at in elsewhere.items() if at == home]
            lines += [f"From [{home}]({home}.md): {', '.join(names)}.", ""]
        pages[f"{NAMES}/{name}.md"] = "\n".join(lines)

    return pages


def _is_code(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isroutine(value)


def _documentation(name: str, value: Any) -> list[str]:
    """
    Return the docstring that follows the assignment of a constant or of a type's name.
    """
    for module in [each for key, each in sorted(sys.modules.items()) if key.startswith("runstate")]:
        for (_, known), text in ModuleAnalyzer.for_module(module.__name__).find_attr_docs().items():
            if getattr(module, known, None) is value:
                return [*text]

    raise ValueError(f"{name} is public and has no docstring")


# llms.txt


def llms_text(docs: Path) -> str:
    """
    Return the list of pages for language models, in the form of llmstxt.org.
    """
    lines = [
        "# runstate", "",
        "> Decides what a run's status may become, and makes sure only one writer wins.", "",
    ]  # fmt: skip
    for folder, title in SECTIONS.items():
        lines += [f"## {title}", ""]
        for path in sorted(docs.glob(f"{folder}/*.md")):
            heading = path.read_text("utf-8").partition("\n")[0].removeprefix("# ")
            lines.append(f"- [{heading}]({path.relative_to(docs).with_suffix('.html').as_posix()})")
        lines.append("")

    return "\n".join(lines)


SECTIONS: Mapping[str, str] = {
    "tutorials": "Tutorials",
    "how-to": "How-to guides",
    "reference": "Reference",
    "explanation": "Explanation",
    "migrate": "Migration",
    "policies": "Policies",
}
