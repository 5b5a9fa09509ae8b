"""
What ``import runstate`` costs, against the libraries it stands on.
"""

import os
import resource
import subprocess
import sys
from functools import partial
from statistics import median
from tempfile import TemporaryDirectory

from report import Section, Target
from timing import Variant, interleave

LEAD = """\
Processor milliseconds of a whole process, an empty one taken off; fresh interpreters that take
turns. All bytecode, of the libraries too, was compiled by the rounds that warm up, into one folder."""

LIBRARIES = "import transitions, pydantic, structlog"
ENGINE = "import runstate; runstate.RunEngine()"
MODEL = f"{LIBRARIES}; pydantic.create_model('M', x=(int, 1))"


def measure(*, quick: bool) -> Section:
    """
    Time the imports.
    """
    with TemporaryDirectory() as folder:
        env = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        fresh = partial(_fresh, env)
        empty = fresh("an empty interpreter", "pass")
        libraries = fresh("the three libraries", LIBRARIES)
        used = fresh("the three libraries, and one model made", MODEL)
        whole = fresh("**runstate**", "import runstate")
        engine = fresh("**runstate**, and an engine made", ENGINE)
        variants = [empty, libraries, used, whole, engine]
        interleave(variants, 3 if quick else 25, _children)

    return Section(
        "Import",
        LEAD,
        ("variant", "ms", "÷ the three libraries", "how"),
        [
            (
                v.name,
                f"{_net(v, empty):.1f}",
                f"{_net(v, empty) / _net(libraries, empty):.2f}",
                v.how,
            )
            for v in variants[1:]
        ],
        [f"an empty interpreter takes {empty.micros / 1000:.1f} ms"],
        [
            _target("import runstate against its three libraries", whole, libraries, empty),
            _target("... with an engine made, and with one model made", engine, used, empty),
        ],
    )


def _target(what: str, whole: Variant, base: Variant, empty: Variant) -> Target:
    ratio = _ratio(whole, base, empty)

    return Target(what, "at most 1.15 times", f"{ratio:.2f} times", ratio <= 1.15)


def _fresh(env: dict[str, str], name: str, code: str) -> Variant:
    command = [sys.executable, "-c", code]

    return Variant(
        name, f"`{code}`", lambda: command, partial(subprocess.run, check=True, env=env), units=1
    )


def _net(variant: Variant, empty: Variant) -> float:
    return (variant.micros - empty.micros) / 1000


def _ratio(whole: Variant, base: Variant, empty: Variant) -> float:
    rounds = zip(whole.seconds, base.seconds, empty.seconds, strict=True)

    return median((w - e) / (b - e) for w, b, e in rounds)


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)

    return usage.ru_utime + usage.ru_stime
