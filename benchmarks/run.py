"""
Runs the benchmarks and writes what came of them.

    pip install -e . -r benchmarks/requirements.txt
    python benchmarks/run.py [--quick] [-o benchmarks/results.md]
"""

import argparse
import sys
from pathlib import Path
from time import perf_counter

import histories
import imports
import logs
import memory
import moves
import telemetry
from report import render

SUBJECTS = (moves, logs, telemetry, histories, memory, imports)


def main() -> None:
    """
    Run what was asked for.
    """
    parser = argparse.ArgumentParser(description="Run the benchmarks of runstate.")
    names = [subject.__name__ for subject in SUBJECTS]
    parser.add_argument("--quick", action="store_true", help="fewer rounds: under 30 seconds")
    parser.add_argument("--only", action="append", choices=names, help="this subject alone")
    parser.add_argument("-o", "--output", type=Path, help="write the page here too")
    options = parser.parse_args()
    sections = []
    for subject in SUBJECTS:
        if options.only and subject.__name__ not in options.only:
            continue
        start = perf_counter()
        sections.append(subject.measure(quick=options.quick))
        print(f"{subject.__name__}: {perf_counter() - start:.0f} s", file=sys.stderr)
    page = render(sections, "python benchmarks/run.py" + " --quick" * options.quick)
    print(page)
    if options.output:
        options.output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
