"""
What a measurement says, as Markdown.
"""

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

LIBRARIES = (
    "runstate",
    "pydantic",
    "structlog",
    "orjson",
    "opentelemetry-sdk",
    "prometheus-client",
    "transitions",
    "python-statemachine",
    "automat",
    "django-viewflow",
    "django-fsm-2",
    "django",
    "xstate-statemachine",
    "sismic",
    "sqlalchemy",
    "psycopg",
    "duckdb",
    "pyspark",
)


class Target(NamedTuple):
    """
    Something that was promised, and what came of it.
    """

    what: str
    promised: str
    measured: str
    holds: bool


@dataclass(frozen=True)
class Section:
    """
    One subject: a table, with what must be known to read it.
    """

    title: str
    lead: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    targets: Sequence[Target] = ()


def render(sections: Sequence[Section], command: str) -> str:
    """
    Return the whole page.
    """
    targets = [target for section in sections for target in section.targets]
    parts = ["# Benchmarks", _machine(command), "## Targets", _targets(targets)]
    for section in sections:
        parts += [f"## {section.title}", section.lead, table(section.header, section.rows)]
        if section.notes:
            parts.append("\n".join(f"* {note}" for note in section.notes))

    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """
    Return a Markdown table, the first column to the left and all others that hold numbers right.
    """
    rows = [list(map(str, row)) for row in rows]
    numeric = [all(_is_number(row[column]) for row in rows) for column in range(len(header))]
    rule = ["---:" if number else "---" for number in numeric]

    return "\n".join("| " + " | ".join(line) + " |" for line in [list(header), rule, *rows])


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").lstrip("-+").isdigit() or cell == "-"


def _targets(targets: Sequence[Target]) -> str:
    return table(
        ("target", "promised", "measured", "holds"),
        [(t.what, t.promised, t.measured, "yes" if t.holds else "**no**") for t in targets],
    )


def _machine(command: str) -> str:
    lines = (
        f"* Machine: {_processor()}, {os.cpu_count()} cores, {platform.system()}",
        f"* {platform.python_implementation()} {platform.python_version()}; "
        + ", ".join(filter(None, map(_version, LIBRARIES))),
        f"* {datetime.now(UTC):%Y-%m-%d}, by `{command}`",
        "* Medians of processor time, of many short rounds in which the variants take turns, garbage",
        "  collected between measurements. Times drift with whatever else the machine does; ratios",
        "  (the median of the ratios within each round) hold.",
    )

    return "\n".join(lines)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]

    return names[0] if names else platform.machine()


def _version(library: str) -> str:
    try:
        return f"{library} {metadata.version(library)}"
    except metadata.PackageNotFoundError:
        print(f"{library} is not installed", file=sys.stderr)
        return ""
