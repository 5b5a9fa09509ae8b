"""
A report in the four forms that its readers want: text, JSON, GitHub annotations, JUnit XML.

Everything in a finding may come from a hostile file. Each form escapes for its own
reader: a terminal, a parser, a log scanner, an XML reader.
"""

import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from tempfile import TemporaryFile
from typing import IO, Final, NamedTuple

from .._text import attribute, markup, printable
from ..histories._counter import Census
from ..histories._monitor import Monitor
from ..histories._passes import judged
from ..histories._records import Finding, Observation
from ..histories._rules import RULES
from ._baseline import Baseline
from ._follow import Follower
from ._input import Records

__all__ = ["FORMS", "Tally", "Totals", "exit_status", "first", "summary_of"]


class Totals(NamedTuple):
    """
    Counts of everything seen, whether its findings are shown or not.
    """

    runs: int
    observations: int
    undecided: int
    errors: int
    warnings: int
    tied: int = 0
    """Observations that share run and time with another one, whose order times leave open."""
    compared: bool = True
    """Whether any run was seen more than once, or a move was recorded."""
    reopened: int = 0
    """How often a run was reopened, and the record shows it."""
    accepted: int = 0
    """Findings that a baseline accepts; they are not among the errors and warnings."""
    passed_over: int = 0
    """Records about something else."""


Count = Callable[[], Totals]
"""Counts what was seen so far; final once the findings are used up."""


def _text(findings: Iterable[Finding], count: Count) -> Iterator[str]:
    shown = 0
    for finding in findings:
        shown += 1
        yield _line(finding)
    totals = count()
    hidden = totals.errors + totals.warnings - shown
    if hidden:
        yield f"... and {_count(hidden, 'more finding')} (--max 0 shows all)"
    yield summary_of(totals)


def summary_of(totals: Totals) -> str:
    """
    Return what came of it, in one line.
    """
    verdict = (
        f"{_count(totals.errors, 'error')}, {_count(totals.warnings, 'warning')}"
        if totals.errors or totals.warnings
        else "nothing wrong"
    )
    notes = [
        *([f"{totals.undecided:,} undecided: too little was seen"] if totals.undecided else []),
        *([f"{_count(totals.tied, 'row')} tied: one run, one time"] if totals.tied else []),
        *([_count(totals.reopened, "reopening")] if totals.reopened else []),
        *([f"{_count(totals.accepted, 'finding')} accepted"] if totals.accepted else []),
    ]
    if totals.passed_over:
        others = _count(totals.passed_over, "record")
        notes.append(
            f"{others} about something else {'was' if others == '1 record' else 'were'} passed over"
        )
    if not totals.compared and totals.undecided < totals.runs:
        notes.append("no transition was compared: each run was seen once")

    return (
        f"{_count(totals.runs, 'run')}, {_count(totals.observations, 'observation')}: {verdict}"
        + (f" ({'; '.join(notes)})" if notes else "")
    )


def _line(finding: Finding) -> str:
    hint = f" ({printable(finding.hint, 500)})" if finding.hint else ""
    run = "" if finding.run_id is None else f" {printable(finding.run_id)}:"

    return (
        f"{_place(finding)}: {finding.code} {finding.severity}:{run} "
        f"{printable(finding.message, 500)}{hint}"
    )


def _place(finding: Finding) -> str:
    name = printable(finding.file or "<history>")

    return name if finding.line is None else f"{name}:{finding.line}"


def _json(findings: Iterable[Finding], count: Count) -> Iterator[str]:
    # One finding a line, and the counts last, so that nothing has to be held back.
    yield '{"findings": ['
    separator = " "
    for finding in findings:
        yield separator + json.dumps(_clean(finding._asdict()))
        separator = ","
    yield "], " + json.dumps(count()._asdict())[1:]


def _clean(facts: Mapping[str, object]) -> dict[str, object]:
    # An unpaired surrogate is escaped by json.dumps into what strict parsers refuse.
    return {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in facts.items()
    }


def _github(findings: Iterable[Finding], count: Count) -> Iterator[str]:
    for finding in findings:
        where = {"file": finding.file, "line": finding.line, "title": _title(finding)}
        properties = ",".join(
            f"{name}={_percent(str(value), properties=True)}"
            for name, value in where.items()
            if value is not None
        )
        run = "" if finding.run_id is None else f"{finding.run_id}: "
        hint = f" ({finding.hint})" if finding.hint else ""
        message = _percent(printable(f"{run}{finding.message}{hint}", 1_000))
        yield f"::{finding.severity} {properties}::{message}"
    yield summary_of(count())


def _title(finding: Finding) -> str:
    return f"{finding.code} {RULES[finding.code].title}"


def _percent(text: str, *, properties: bool = False) -> str:
    marks = "%\r\n:," if properties else "%\r\n"

    return "".join(f"%{ord(c):02X}" if c in marks else c for c in printable(text, 1_000))


def _junit(findings: Iterable[Finding], count: Count) -> Iterator[str]:
    # The only form whose counts come first. What it holds back waits on disk, and only the
    # places of the findings of each run are kept.
    with TemporaryFile() as spool:
        places, failing = _spooled(findings, spool)
        yield '<?xml version="1.0" encoding="UTF-8"?>'
        yield (
            f'<testsuite name="runstate check" tests="{len(places) or 1}" '
            f'failures="{len(failing)}" errors="0">'
        )
        for run_id in sorted(places, key=lambda run_id: run_id or ""):
            yield f'  <testcase classname={_attribute(run_id or "(no run)")} name="lifecycle">'
            for place in places[run_id]:
                spool.seek(place)
                yield spool.readline().decode("ascii").removesuffix("\n")
            yield "  </testcase>"
    if not places:
        yield '  <testcase classname="runstate" name="every run"/>'
    yield f"  <system-out>{summary_of(count())}</system-out>"
    yield "</testsuite>"


def _spooled(
    findings: Iterable[Finding], spool: IO[bytes]
) -> tuple[dict[str | None, "array[int]"], set[str | None]]:
    """
    Write each finding as a line of *spool*; return where those of each run are, and which failed.
    """
    places: dict[str | None, array[int]] = {}
    failing = set()
    place = 0
    for finding in findings:
        if finding.severity == "error":
            failing.add(finding.run_id)
        places.setdefault(finding.run_id, array("q")).append(place)
        place += spool.write(f"{_element(finding)}\n".encode("ascii"))

    return places, failing


def _element(finding: Finding) -> str:
    tag = "failure" if finding.severity == "error" else "system-out"
    about = (
        f" type={_attribute(finding.code)} message={_attribute(finding.message)}"
        if tag == "failure"
        else ""
    )

    return f"    <{tag}{about}>{_ascii(markup(_line(finding)))}</{tag}>"


def _attribute(text: str) -> str:
    return _ascii(attribute(printable(text, 500)))


def _ascii(xml: str) -> str:
    # Valid whatever the encoding of the output, which the declaration cannot know.
    return xml.encode("ascii", "xmlcharrefreplace").decode("ascii")


FORMS: Final[Mapping[str, Callable[[Iterable[Finding], Count], Iterator[str]]]] = {
    "text": _text,
    "json": _json,
    "github": _github,
    "junit": _junit,
}
"""Each form by its name, yielding the lines of a report."""


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


class Tally:
    """
    Counts what passes by, so that nothing has to be kept to be counted.
    """

    def __init__(
        self, monitor: Monitor, census: Census | None = None, baseline: Baseline | None = None
    ) -> None:
        """
        Count what *monitor* finds, other than what *baseline* accepts; *census* counts observations.
        """
        self._monitor, self._census, self._baseline = monitor, census, baseline
        self._source: Records | Follower | None = None
        self._severities: Counter[str] = Counter()
        self._unread = False

    def findings(
        self,
        seen: Iterable[Observation | Finding],
        *,
        finished: bool,
        by_position: bool = False,
    ) -> Iterator[Finding]:
        """
        Yield what is wrong with *seen*: findings as they are, observations judged.
        """
        self._source = seen if isinstance(seen, Records) else None
        for finding in judged(seen, self._monitor, self._census, by_position=by_position):
            yield from self._counted([finding])
        if isinstance(seen, Records) and not self._monitor.compared:
            yield from self._counted([*seen.unread_histories(self._monitor.observed)])
        if self._census is not None:
            self._census.count_rest()
        yield from self._counted(self._monitor.finish(finished=finished))

    def followed(self, follower: Follower, *, finished: bool) -> Iterator[Finding]:
        """
        Yield what is wrong with what *follower* reads, as it comes.
        """
        self._source = follower
        for finding in follower.findings():
            yield from self._counted([finding])
        yield from self._counted(self._monitor.finish(finished=finished))

    def _counted(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        if self._baseline is not None and self._baseline.in_use:
            findings = [each for each in findings if not self._baseline.accepts(each)]
        if self._census is not None:
            self._census.note(findings)
        for finding in findings:
            self._severities[finding.severity] += 1
            self._unread |= finding.code.startswith("RS9")

        return findings

    def totals(self) -> Totals:
        """
        Return the counts so far.
        """
        monitor = self._monitor

        return Totals(
            monitor.runs + (self._source.forgotten if isinstance(self._source, Follower) else 0),
            monitor.observations,
            monitor.undecided,
            self._severities["error"],
            self._severities["warning"],
            monitor.tied,
            monitor.compared,
            monitor.reopened,
            0 if self._baseline is None else self._baseline.accepted,
            self._source.passed.count if self._source else 0,
        )

    def status(self, fail_on: str) -> int:
        """
        Return 2 if anything could not be read, else 1 for a finding as severe as *fail_on*, else 0.
        """
        return exit_status(self.totals(), fail_on, unread=self._unread)


def exit_status(totals: Totals, fail_on: str, *, unread: bool) -> int:
    """
    Return 2 if anything was *unread*, else 1 for a finding as severe as *fail_on*, else 0.
    """
    failing = totals.errors + (totals.warnings if fail_on == "warning" else 0)

    return 2 if unread else int(failing > 0)


def first(findings: Iterator[Finding], most: int) -> Iterator[Finding]:
    """
    Yield the first *most* findings, all if 0, and use the rest up, so that they are counted.
    """
    for number, finding in enumerate(findings, 1):
        if not most or number <= most:
            yield finding
