"""
The page put together: one file, one style sheet, one script, and no other.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pkgutil import get_data
from types import MappingProxyType
from typing import Final

from .._urls import shown_url
from ..diagrams import Inline, inline_colours, inline_style
from ..histories._records import ObservationModel
from ..histories._survey import Survey
from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from ._compared import compared
from ._facts import subject_of, verdict
from ._filter import CHIPS, controls
from ._findings import findings
from ._html import text
from ._machine import ends, fitting_style, machine, never, picture, way_picture
from ._overview import overview, stuck, variants
from ._summary import head
from ._timelines import packed, runs_section, safe_json
from ._times import times

__all__ = ["render_report"]

ROOM: Final = 2_700_000
"""Bytes of a page for all that grows with what was observed."""


def render_report(
    survey: Survey,
    lifecycle: Lifecycle = RUN,
    *,
    observed: ObservationModel = "complete",
    files: Iterable[str] = (),
    before: Survey | None = None,
    records: Mapping[tuple[str, int], str] = MappingProxyType({}),
) -> bytes:
    """
    Return the page of evidence on *survey* as one HTML file in UTF-8, of less than 3 MB.

    It fetches nothing, and runs no script but its own; without scripts, only the timelines and
    the filter are missing. The same arguments give the same bytes.

    Args:
        survey: What was observed. What is not in it cannot be shown: its findings and
            timelines are as many as it was asked for.
        lifecycle: The table it was held against.
        observed: How it was observed.
        files: Names of what it was read from: files and URLs. The page shows URLs without
            their secrets.
        before: What was observed earlier or elsewhere; the page says what has changed since.
        records: Raw records by file and line. The page shows that of a finding on demand, of
            the first 1,000 findings.
    """
    subject = subject_of(survey, lifecycle, observed, map(shown_url, files))
    drawn, way = picture(subject), way_picture(subject)
    shown = machine(subject, drawn)
    gone = (
        times(subject), ends(subject), never(subject), overview(subject), variants(subject),
        stuck(subject, {}), "" if before is None else compared(subject, before),
    )  # fmt: skip
    style, script = _style(drawn, way), _asset("page.js")
    room = ROOM - sum(len(p.encode()) for p in (shown, *gone, style, script, *way.elements))
    data, kept = packed(subject, way, room // 4, records)
    parts = {
        "overview": ("Over time", gone[3]),
        "open": ("Open runs", stuck(subject, kept)),
        "compared": ("Compared", gone[6]),
        "machine": ("Machine", shown),
        "findings": ("Findings", findings(subject, kept, room - len(safe_json(data)))),
        "run": ("Runs", runs_section(subject, kept, way)),
        "variants": ("Paths", gone[4]),
        "times": ("Times", gone[0]),
        "ends": ("Ends", gone[1]),
        "never": ("Never observed", gone[2]),
    }
    links = "".join(f'<li><a href="#{to}">{name}</a>' for to, (name, part) in parts.items() if part)

    only = controls(subject)
    lines = (
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{verdict(subject)}: lifecycle {text(lifecycle.name)}</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
        '<a class="skip" href="#main">Skip to the evidence</a>',
        '<button type="button" id="theme" class="js">Dark theme</button>',
        head(subject),
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>',
        '<main id="main">',
        only,
        *(part for _, part in parts.values() if part),
        CHIPS if only else "",
        "</main>",
        "<footer><p>Drawn by <code>runstate report</code>. This page holds all it shows, and "
        "fetches nothing.</p></footer>",
        f'<script type="application/json" id="data">{safe_json(data)}</script>',
        f"<script>{script}</script>",
        "</body>",
        "</html>\n",
    )

    return "\n".join(lines).encode()


def _asset(name: str) -> str:
    content = get_data(__package__ or "", name)
    if content is None:
        raise FileNotFoundError(name)

    return content.decode()


def _style(drawn: Inline, way: Inline) -> str:
    """
    Return the one style sheet, for both themes and for paper.
    """
    light, dark = inline_colours(dark=False), inline_colours(dark=True)
    colours = (
        f":root{{{light}}}"
        f"@media screen{{:root[data-theme=dark]{{{dark}}}}}"
        f"@media screen and (prefers-color-scheme:dark)"
        f"{{:root:not([data-theme=light]){{{dark}}}}}"
    )

    return f"{colours}\n{_asset('page.css')}\n{inline_style(drawn, way)}{fitting_style('drawn', drawn)}{fitting_style('way', way)}"


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    )


def _digest(content: str) -> str:
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"
