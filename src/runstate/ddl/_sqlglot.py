"""
A query in the words of other databases, by SQLGlot.
"""

from ..errors import MissingExtraError

__all__ = ["translated"]


def translated(query: str, dialect: str) -> str:
    """
    Return *query*, which is written for PostgreSQL, for *dialect*.

    Args:
        query: One SELECT.
        dialect: SQLGlot's name of a database.

    Raises:
        MissingExtraError: SQLGlot is not installed.
    """
    try:
        import sqlglot  # noqa: PLC0415  an extra, which the databases of the suite do not need
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"the dialect {dialect}", "SQLGlot", "warehouses") from error

    return sqlglot.transpile(query, read="postgres", write=dialect, pretty=True)[0] + "\n"
