"""
The recordings as rows of a table: run, status, and when it was seen.
"""

from collections.abc import Sequence
from pathlib import Path

from runstate import Observation
from runstate.readers import read

DATA = Path(__file__).parent / "data"
PATHS = sorted(
    path
    for path in (*DATA.glob("*.*"), *DATA.glob("contradictions/*"))
    if path.suffix in {".jsonl", ".sse"}
)
BORN = 1_767_225_600.0
STAMPS = ("created_at", "started_at", "completed_at", "failed_at", "cancelled_at", "expired_at")

Row = tuple[str, str, float]


def rows_of(paths: Sequence[Path], timing: str) -> list[Row]:
    """
    Return what was seen in *paths*, as one log; by *timing*, one second after the other or as stamped.

    Nobody recorded when they looked. What a snapshot is stamped with last is the earliest that it
    can have been; many have the same, and some have none.
    """
    seen = [each for path in paths for each in _seen(path)]

    return [
        (
            each.run_id or "",
            each.status,
            BORN + second
            if timing == "in turn"
            else max(float(each.fields.get(stamp) or 0) for stamp in STAMPS) or BORN,
        )
        for second, each in enumerate(seen)
    ]


def _seen(path: Path) -> list[Observation]:
    with path.open("rb") as stream:
        return [each for each in read(stream, name=path.name) if isinstance(each, Observation)]
