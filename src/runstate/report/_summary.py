"""
The head of the page: what was checked, and the verdict.
"""

from collections.abc import Iterator
from typing import Final

from ..histories._survey import how_long
from ._facts import Link, Name, figures, moment, sentences, verdict
from ._html import code, text
from ._subject import Subject

__all__ = ["head"]

MOST_FILES: Final = 8
_MODELS: Final = {
    "complete": "complete: every change was seen, in order",
    "polled": "polled: some changes may have been missed",
    "unordered": "unordered: deliveries may be missing, repeated or swapped",
}


def head(subject: Subject) -> str:
    """
    Return the banner: the verdict, then the facts.
    """
    kind = "bad" if subject.survey.errors else "good" if subject.survey.runs else "none"

    return (
        '<header class="page">'
        f'<p class="eyebrow">Lifecycle {code(subject.lifecycle.name)}, as observed</p>\n'
        f'<h1 class="{kind}">{verdict(subject)}</h1>\n'
        f'<p class="lead">{" ".join(_sentences(subject))}</p>\n'
        f'<dl class="figures">{_listed(figures(subject))}</dl>\n'
        f'<dl class="facts">{_listed(_facts(subject))}</dl>\n</header>'
    )


def _sentences(subject: Subject) -> Iterator[str]:
    for sentence in sentences(subject):
        yield "".join(map(_part, sentence))


def _part(part: str | Name | Link) -> str:
    if isinstance(part, Name):
        return code(part.status)

    return f'<a href="#{part.section}">{part.words}</a>' if isinstance(part, Link) else part


def _listed(facts: Iterator[tuple[str, str]]) -> str:
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)


def _facts(subject: Subject) -> Iterator[tuple[str, str]]:
    survey = subject.survey
    if survey.began is not None and survey.ended is not None:
        period = f"{moment(survey.began)} to {moment(survey.ended)}"
        yield "Period", f"{period} ({how_long(survey.ended - survey.began)})"
    yield "Observation model", _MODELS[subject.observed]
    if subject.files:
        names = ", ".join(f"<code>{text(name)}</code>" for name in subject.files[:MOST_FILES])
        more = len(subject.files) - MOST_FILES
        yield "Read from", names + (f" and {more:,} more" if more > 0 else "")
