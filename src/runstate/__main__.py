"""
Runs the command: ``python -m runstate``, or ``runstate``.
"""

import sys
from importlib.util import find_spec
from typing import NoReturn

from .errors import MissingExtraError

__all__ = ["main"]


def main() -> NoReturn:
    """
    Run the command and exit; without the extra ``cli``, name it in one line.
    """
    for library in ("click", "rich"):
        if find_spec(library) is None:
            needed = MissingExtraError("the command", library, "cli")
            print(f"runstate: {needed}", file=sys.stderr)  # noqa: T201  click may be missing
            sys.exit(2)
    try:
        from .cli import main as run  # noqa: PLC0415  needs the extra
    except KeyboardInterrupt:
        # The command, once it is loaded, says it in the same words.
        print("runstate: interrupted", file=sys.stderr)  # noqa: T201
        sys.exit(130)

    run()


if __name__ == "__main__":
    main()
