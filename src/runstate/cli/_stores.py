"""
A store that is there already, as the commands open it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from .._text import printable
from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from ._shared import BadInput

__all__ = ["opened"]

_OF_RUNS: Final = "runstate_"


@contextmanager
def opened(
    url: str, lifecycle: Lifecycle, *, prefix: str | None = None, schema: str | None = None
) -> Iterator[Any]:
    """
    Yield the store at *url*. Makes no tables.

    What goes wrong with it or its database meanwhile is one line.

    Args:
        url: Of a database with a store in it.
        lifecycle: Of the store.
        prefix: How the names of its tables begin; None for the usual one.
        schema: The schema of its tables on PostgreSQL; None for that of the connection.

    Raises:
        BadInput: *url* leads to no store, or the database raises an error.
    """
    from ..store import Store  # noqa: PLC0415  needs an extra
    from ..store._inspection import faults_named, looking_at  # noqa: PLC0415

    if prefix is None and lifecycle is RUN:
        prefix = _OF_RUNS
    # No object is moved, so none of them is asked.
    conditions: Mapping[str, Callable[[Any], bool]] = dict.fromkeys(lifecycle.conditions, bool)
    try:
        with looking_at(url):
            pass
        with faults_named(url):
            store: Store[Any] = Store.open(
                url, lifecycle, prefix=prefix, schema=schema, conditions=conditions, install=False
            )
            with store:
                yield store
    except ValueError as error:
        raise BadInput(printable(str(error), 500)) from None
