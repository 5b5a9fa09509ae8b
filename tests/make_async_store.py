"""
Makes the store for asyncio of the store for threads: ``python tests/make_async_store.py``.

The two differ in what is awaited, and in the classes that their names stand for.
"""

import re
import subprocess
import sys
from pathlib import Path

import runstate.store

FOLDER = Path(runstate.store.__file__).parent
SOURCE, TARGET = FOLDER / "_store.py", FOLDER / "_async_store.py"

RULES = (
    (r"``_async_store.py`` is made of this file: see", "Made of ``_store.py``: do not edit; see"),
    (r"\A\"\"\"\nStores for any lifecycle, and for runs\.", '"""\nStores for asyncio.'),
    (r"\bfrom \._transactions import", "from ._async_transactions import"),
    (r"\b(?<!Async)Transactions\b", "AsyncTransactions"),
    (r"\bWatching\b", "AsyncWatching"),
    (r"\b(Run)?Store\b(?!Version|Argument)", r"Async\1Store"),
    (r"NamedMoves\[Verdict\]", "NamedMoves[Coroutine[Any, Any, Verdict]]"),
    (r"import Callable, Iterable, Mapping", "import Callable, Coroutine, Iterable, Mapping"),
    (r"(?m)^    def (?!__)", "    async def "),
    (r"\b(self|cls)\.(_run|_read|_at_once|_opened)\(", r"await \1.\2("),
    (r"Thread-safe\.\n", "For one event loop.\n"),
)


def made() -> str:
    """
    Return the text of the store for asyncio.
    """
    text = SOURCE.read_text(encoding="utf-8")
    for pattern, replacement in RULES:
        text = re.sub(pattern, replacement, text)
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TARGET), "-"]
    imports = [sys.executable, "-m", "ruff", "check", "--select", "I", "--fix", "-q",
               "--stdin-filename", str(TARGET), "-"]  # fmt: skip
    for each in (imports, command):
        text = subprocess.run(each, input=text, capture_output=True, text=True, check=True).stdout

    return text


if __name__ == "__main__":
    TARGET.write_text(made(), encoding="utf-8")
