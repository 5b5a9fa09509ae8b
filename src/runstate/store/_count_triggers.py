"""
Triggers that keep the counts true when somebody deletes rows of a store.

Counts are sums up to a place in the feed, and what was moved since. A run that is deleted
must leave the sums. A line of the journal that is deleted before it was added to them
must be added then. The triggers do both, whoever deletes, in the same transaction.
"""

from collections.abc import Mapping
from typing import Final

from ._dialects import Database

__all__ = ["COUNT_TRIGGERS"]

_ADD: Final = (
    "ON CONFLICT (status) DO UPDATE SET runs = {prefix}counts.runs + excluded.runs"
)  # fmt: skip

_SQLITE: Final = tuple(
    statement.replace("{add}", _ADD)
    for statement in (
        "DROP TRIGGER IF EXISTS {prefix}runs_deleted",
        "CREATE TRIGGER {prefix}runs_deleted AFTER DELETE ON {prefix}runs BEGIN "
        "INSERT INTO {prefix}counts (status, runs) VALUES (OLD.status, -1) {add}; END",
        "DROP TRIGGER IF EXISTS {prefix}journal_deleted",
        "CREATE TRIGGER {prefix}journal_deleted AFTER DELETE ON {prefix}journal "
        "WHEN OLD.kind = 'move' AND OLD.position > "
        "(SELECT CAST(value AS INTEGER) FROM {prefix}meta WHERE name = 'counted') BEGIN "
        "INSERT INTO {prefix}counts (status, runs) VALUES (OLD.target, 1) {add}; "
        "INSERT INTO {prefix}counts (status, runs) SELECT OLD.source, -1 "
        "WHERE OLD.source IS NOT NULL {add}; END",
    )
)

_FUNCTION: Final = """
CREATE OR REPLACE FUNCTION {schema}{prefix}NAME() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    home text := quote_ident(TG_TABLE_SCHEMA) || '.';
    gone text := CASE TG_OP WHEN 'TRUNCATE' THEN home || quote_ident(TG_TABLE_NAME) ELSE 'gone' END;
    place text;
BEGIN
    -- No sweep adds to the sums until this transaction has ended.
    EXECUTE 'SELECT value FROM ' || home || '{prefix}meta WHERE name = ''counted'' FOR UPDATE'
    INTO place;
    EXECUTE 'INSERT INTO ' || home || '{prefix}counts AS sums (status, runs) ' || PARTS
        || ' ON CONFLICT (status) DO UPDATE SET runs = sums.runs + excluded.runs'
    USING place;
    RETURN NULL;
END
$function$
"""

_RUNS: Final = "'SELECT status, -count(*) FROM ' || gone || ' GROUP BY status ORDER BY status'"
_JOURNAL: Final = """'WITH lines AS (SELECT source, target FROM ' || gone || ' WHERE kind = ''move''
        AND NOT pg_visible_in_snapshot(txid, CAST($1 AS pg_snapshot)))
        SELECT status, sum(runs) FROM (SELECT target AS status, 1 AS runs FROM lines
        UNION ALL SELECT source, -1 FROM lines WHERE source IS NOT NULL) AS parts
        GROUP BY status ORDER BY status'"""


def _on_postgresql(table: str, parts: str) -> tuple[str, ...]:
    name, on = f"{table}_deleted", f"ON {{schema}}{{prefix}}{table}"
    call = f"FOR EACH STATEMENT EXECUTE FUNCTION {{schema}}{{prefix}}{name}()"

    return (
        _FUNCTION.replace("{prefix}NAME", f"{{prefix}}{name}").replace("PARTS", parts),
        f"DROP TRIGGER IF EXISTS {{prefix}}{name} {on}",
        f"CREATE TRIGGER {{prefix}}{name} AFTER DELETE {on} REFERENCING OLD TABLE AS gone {call}",
        f"DROP TRIGGER IF EXISTS {{prefix}}{table}_truncated {on}",
        f"CREATE TRIGGER {{prefix}}{table}_truncated BEFORE TRUNCATE {on} {call}",
    )


_MARIADB_LINE: Final = """
CREATE TRIGGER {prefix}journal_deleted AFTER DELETE ON {prefix}journal FOR EACH ROW
BEGIN
    DECLARE place bigint;
    IF OLD.kind = 'move' THEN
        SELECT CAST(value AS signed) INTO place FROM {prefix}meta
        WHERE name = 'counted' FOR UPDATE;
        IF OLD.place IS NULL OR OLD.place > place THEN
            INSERT INTO {prefix}counts (status, runs) VALUES (OLD.target, 1)
            ON DUPLICATE KEY UPDATE runs = runs + 1;
            IF OLD.source IS NOT NULL THEN
                INSERT INTO {prefix}counts (status, runs) VALUES (OLD.source, -1)
                ON DUPLICATE KEY UPDATE runs = runs - 1;
            END IF;
        END IF;
    END IF;
END
"""
_MARIADB: Final = (
    "DROP TRIGGER IF EXISTS {prefix}runs_deleted",
    "CREATE TRIGGER {prefix}runs_deleted AFTER DELETE ON {prefix}runs FOR EACH ROW "
    "INSERT INTO {prefix}counts (status, runs) VALUES (OLD.status, -1) "
    "ON DUPLICATE KEY UPDATE runs = runs - 1",
    "DROP TRIGGER IF EXISTS {prefix}journal_deleted",
    _MARIADB_LINE,
)

COUNT_TRIGGERS: Final[Mapping[Database, tuple[str, ...]]] = {
    "mariadb": _MARIADB,
    "sqlite": _SQLITE,
    "postgresql": (*_on_postgresql("runs", _RUNS), *_on_postgresql("journal", _JOURNAL)),
}
"""
By dialect, the statements that make the triggers.

``{prefix}`` stands for the prefix, ``{schema}`` for the quoted schema and a dot, if there is one.
"""
