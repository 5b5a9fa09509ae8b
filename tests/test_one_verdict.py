# ruff: noqa: F811  a fixture is imported
"""
One verdict for the same records, however they are packed and whichever engine reads them.
"""

import gzip
import json
import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from shutil import copy
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runstate import RUN, Finding, Lifecycle
from runstate.frames import FrameError, survey_files, survey_frame, survey_table
from runstate.histories import survey as survey_of
from runstate.readers import read
from test_cli import command  # noqa: F401  a fixture

DATA = Path(__file__).parent / "data"
MODELS = ("complete", "polled", "unordered")
FILES = sorted(
    path
    for path in (
        *(DATA / "field").iterdir(),
        *DATA.glob("*.*"),
        *(DATA / "contradictions").iterdir(),
    )
    if path.suffix in {".csv", ".json", ".jsonl", ".sse", ".tsv"}
)


class Verdict(NamedTuple):
    """
    What is compared: the findings, and how much was seen.
    """

    findings: Any
    runs: int
    observations: int


def verdict(survey: Any, *, line: bool = True, file: str = "") -> Verdict:
    """
    Return what *survey* says; the name of the input is that of *file*.
    """
    findings = sorted(
        (
            f.code, f.run_id or "", f.source or "", f.target or "",
            f.file == file if file else True, (f.line or 0) if line else 0,
        )
        for f in survey.findings
    )  # fmt: skip

    return Verdict(findings, survey.runs, survey.observations)


def by_python(name: str, observed: str, lifecycle: Lifecycle = RUN, **columns: Any) -> Any:
    """
    Return what the readers and the monitor say of the file *name*.
    """
    with Path(name).open("rb") as stream:
        seen = [*read(stream, name=name, lifecycle=lifecycle, **columns)]

    return survey_of(seen, lifecycle, observed=observed)


class Report(NamedTuple):
    """
    What the command prints.
    """

    findings: list[Finding]
    runs: int
    observations: int


def by_command(command: Any, path: str, observed: str) -> Report:
    """
    Return what the command says of *path* under the engine that it chooses.
    """
    done = command(
        "check",
        path,
        "--observed",
        observed,
        "--lifecycle",
        "run",
        "--output",
        "json",
        "--max",
        "0",
    )
    said = json.loads(done.text)

    return Report(
        [Finding(**each) for each in said["findings"]], said["runs"], said["observations"]
    )


def plain(path: Path, folder: Path) -> list[str]:
    """Return the file itself."""
    return [str(copy(path, folder / path.name))]


def gzipped(path: Path, folder: Path) -> list[str]:
    """Return the file packed with gzip."""
    name = folder / f"{path.name}.gz"
    name.write_bytes(gzip.compress(path.read_bytes()))

    return [str(name)]


def zstandard(path: Path, folder: Path) -> list[str]:
    """Return the file packed with zstd."""
    name = folder / f"{path.name}.zst"
    with pa.output_stream(str(name), compression="zstd") as stream:
        stream.write(path.read_bytes())

    return [str(name)]


def in_a_folder(path: Path, folder: Path) -> list[str]:
    """Return the folder that the file is in."""
    copy(path, folder / path.name)

    return [str(folder)]


def by_a_pattern(path: Path, folder: Path) -> list[str]:
    """Return a pattern that the file fits."""
    copy(path, folder / path.name)

    return [f"{folder}/*{path.suffix}"]


PACKINGS = (plain, gzipped, zstandard, in_a_folder, by_a_pattern)


def test_packing_and_engine_change_no_verdict(tmp_path, command, capsysbinary):
    """
    Each file says the same in every packing under both engines, or DuckDB refuses it in one line.
    """
    counts: Counter[str] = Counter()
    for path in FILES:
        for model in MODELS:
            expected = verdict(by_python(str(path), model), file=str(path))
            for packing in PACKINGS:
                folder = tmp_path / f"{path.name}-{model}-{packing.__name__}"
                folder.mkdir()
                names = packing(path, folder)
                file = names[0] if Path(names[0]).is_file() else f"{folder}/{path.name}"
                survey = by_command(command, names[0], model)
                said = verdict(survey, file=file)

                if [] != [f for f in survey.findings if "compressed with zstd" in f.message]:
                    counts["python refuses"] += 1
                elif not (expected.observations or expected.findings):
                    (nothing,) = survey.findings
                    assert nothing.message.startswith("holds no record of a run")
                    counts["holds no run"] += 1
                else:
                    assert expected == said, (path, model, packing)
                    counts["python the same"] += 1
                counts[_by_duckdb(names, file, model, expected)] += 1
    with capsysbinary.disabled():
        print(
            f"\n{len(FILES)} files x {len(PACKINGS)} packings x 2 engines x {len(MODELS)} models: "
            + ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))
        )

    assert counts["duckdb the same"] > 50


def _by_duckdb(names: list[str], file: str, model: Any, expected: Verdict) -> str:
    try:
        survey = survey_files(names, observed=model)
    except FrameError as error:
        assert "\n" not in str(error)
        assert re.search("--engine python|no column", str(error))
        return "duckdb refuses"
    said = verdict(survey, file=file)

    assert expected == said, (names, model)
    return "duckdb the same"


# -- tables ------------------------------------------------------------------------


def rows_of(path: Path) -> list[dict[str, Any]]:
    """
    Return the objects of a file of JSON lines.
    """
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


OTHER_SHAPES = {"refused-between-polls.jsonl", "page.jsonl"}
"""Files with records of other shapes, which in a table are rows without an id."""
TABLES = [path for path in FILES if path.suffix == ".jsonl" and path.name not in OTHER_SHAPES]


PLACED = {
    path.name
    for path in TABLES
    if not any({"at", "seq"} & row.keys() for row in rows_of(path))
    or path.name in {"later-first.jsonl", "some-without-time.jsonl"}
}
"""Files in which the place of a row matters, which a row of a database does not have."""


def written(rows: list[dict[str, Any]]) -> pa.Table | None:
    """
    Return *rows* as a table of Arrow; None where a column would hold values of several types.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    try:
        return pa.table({name: [row.get(name) for row in rows] for name in names})
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None


def without_nulls(path: Path, folder: Path) -> Path:
    """
    Return the records of *path* without what is null: in a column, null is unknown.
    """
    kept = folder / path.name
    rows = [
        {
            name: value
            for name, value in row.items()
            if value is not None or name in {"source", "run_id", "id", "status"}
        }
        for row in rows_of(path)
    ]
    kept.write_text("".join(json.dumps(row) + "\n" for row in rows))

    return kept


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
@pytest.mark.parametrize("model", MODELS)
def test_a_table_says_what_its_records_say(tmp_path, path, model):
    """
    Parquet, frames and databases are judged by every fact that their columns hold.
    """
    rows = rows_of(path)
    table = written(rows)
    if table is None or not {"status", "target"} & {*table.column_names}:
        return
    kept = without_nulls(path, tmp_path)
    with kept.open("rb") as stream:
        expected = survey_of([*read(stream, name=str(kept))], observed=model)
    pq.write_table(table, tmp_path / "x.parquet")
    with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
        connection.execute(f"create table runs as select * from '{tmp_path}/x.parquet'")  # noqa: S608

    with closing(sqlite3.connect(tmp_path / "x.db")) as connection, connection:
        columns = [f'"{name}"' for name in table.column_names]
        connection.execute(f"create table runs ({', '.join(columns)})")
        cells = [
            [json.dumps(cell) if isinstance(cell, dict) else cell for cell in row.values()]
            for row in table.to_pylist()
        ]
        connection.executemany(
            f"insert into runs values ({', '.join('?' * len(columns))})",  # noqa: S608
            cells,
        )

    assert verdict(expected) == verdict(survey_files(tmp_path / "x.parquet", observed=model))
    assert verdict(expected) == verdict(survey_frame(table, observed=model))
    if path.name in PLACED and model != "unordered":
        return
    for name in ("x.duckdb", "x.db"):
        said = survey_table(str(tmp_path / name), table="runs", observed=model)

        assert verdict(expected, line=False) == verdict(said, line=False), name
