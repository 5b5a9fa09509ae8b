"""
The statements about leases: who works on a run, and what nobody looks after.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from ..lifecycle._roles import cancelling_rows, timeout_rows
from ._mariadb import Changing, Claiming, Repeated
from ._sql import CLOCK_ERROR, Phrases, Prepared, Value, among, word

__all__ = ["LeaseStatements"]


class LeaseStatements:
    """
    What is said of leases and deadlines.
    """

    def __init__(self, phrases: Phrases, dialect: sa.Dialect) -> None:
        self._say = phrases
        self._tables, self._dialect = phrases.tables, dialect
        self._lifecycle = phrases.lifecycle
        self._claims: dict[tuple[bool, tuple[str, ...]], Prepared | Claiming] = {}
        if phrases.claims:
            self.claim((), many=False)
        self.heartbeat = self._renewal(sa.bindparam("seconds", type_=sa.Double()))
        self.heartbeats = (
            Repeated(self.heartbeat) if phrases.mariadb else Prepared(self._renew_many(), dialect)
        )
        self.release = self._renewal(sa.literal_column("0.0"))
        self.rearm = Prepared(self._rearm(), dialect)
        self.overdue = tuple(Prepared(each, dialect) for each in self._overdue())

    def claim(self, where: Iterable[str], *, many: bool) -> Prepared | Claiming:
        """
        Return the claim among the runs of which the columns *where* have given values.

        Where it is for *many*, it takes as many as ``most``.
        """
        names = tuple(sorted(where))
        found = self._claims.get((many, names))
        if found is None:
            if self._say.mariadb:
                found = self._claiming(names)
            else:
                found = Prepared(self._claim(names, many), self._dialect)
            self._claims[many, names] = found

        return found

    def _claim(self, where: Sequence[str], many: bool) -> Any:
        """
        Return the claim: a run whose lease ran out, or else the oldest that can start.
        """
        table, clock = self._tables.runs, self._say.clock_of_update()
        ready = [row.source for row in self._say.claims]
        update = self._taking(clock.c.now).where(
            self._is_claimable(ready, where, many), self._say.sane(clock.c.now)
        )
        if not self._say.postgres:
            return update.returning(table)
        moved = update.returning(table).cte("moved")
        line = self._claim_line(moved)
        insert = self._tables.journal.insert().from_select(list(line), sa.select(*line.values()))

        return sa.select(moved).add_cte(insert.cte("line"))

    def _taking(self, now: Value) -> Any:
        """
        Return the UPDATE that gives runs to a worker, and starts those that wait.
        """
        table = self._tables.runs
        runs, row = table.c, self._say.claims[0]
        fresh = among(runs.status, [row.source for row in self._say.claims])
        changes = self._say.changes(
            row.trigger, row.target, now, dict.fromkeys(table.c.keys(), sa.null())
        )
        counted = {"claims": runs.claims + sa.literal_column("1")} if "claims" in runs else {}

        return self._say.changed(
            table.update(),
            {name: sa.case((fresh, value), else_=runs[name]) for name, value in changes.items()}
            | counted
            | {
                "lease_owner": sa.bindparam("worker", type_=sa.Text()),
                "lease_token": runs.lease_token + sa.literal_column("1"),
                "lease_until": now + sa.bindparam("seconds", type_=sa.Double()),
                "attempt": sa.case((fresh, 1), else_=runs.attempt + sa.literal_column("1")),
            },
        )

    def _claiming(self, where: Sequence[str]) -> Claiming:
        """
        Return the claim on MariaDB.
        """
        table, now = self._tables.runs, self._say.clock_of_update().c.now
        most = sa.bindparam("most", type_=sa.BigInteger())
        # Of each status apart: sorted together, all that wait would be locked.
        kinds = [self._lost(now, where, most), self._frozen(now, where, most)]
        kinds += [self._fresh(now, [row.source], where, most) for row in self._say.claims]
        locking = [self._say.skipping(each) for each in kinds]
        one = table.c.id == sa.bindparam("id", type_=sa.Text())
        update = self._taking(now).where(one, self._say.sane(now))

        return Claiming(locking, kinds, update, sa.select(table).where(one), self._dialect)

    def _is_claimable(self, ready: Sequence[str], where: Sequence[str], many: bool) -> Any:
        """
        Return whether a run is one of those that are picked, which is done once.
        """
        ids = self._tables.runs.c.id
        if not many:
            return ids == self._claimable(ready, where, 1).scalar_subquery()
        picked = self._claimable(ready, where, sa.bindparam("most", type_=sa.BigInteger()))

        return (
            ids == sa.func.any(sa.func.array(picked.scalar_subquery()))
            if self._say.postgres
            else ids.in_(picked)
        )

    def _claimable(self, ready: Sequence[str], where: Sequence[str], most: Any) -> Any:
        clock = self._say.clock().alias("since")
        now = sa.select(clock.c.now).scalar_subquery()
        kinds = (
            (self._say.skipping(self._lost(now, where, most)), "lost"),
            (self._say.skipping(self._frozen(now, where, most)), "frozen"),
            (self._say.skipping(self._fresh(now, ready, where, most)), "fresh"),
        )
        if self._say.postgres:
            # FOR UPDATE needs a room of its own on either side of a UNION.
            picked = [sa.select(each.cte(name).c.id) for each, name in kinds]
        else:
            picked = [sa.select(each.subquery(name).c.id) for each, name in kinds]
        either = sa.union_all(*picked).subquery("either")

        return sa.select(either.c.id).limit(most)

    def _lost(self, now: Value, where: Sequence[str], most: Any) -> Any:
        """
        Return the runs whose lease ran out.
        """
        runs = self._tables.runs.c

        worked = self._say.worked

        return self._picked([runs.lease_until <= now], worked, where, [runs.lease_until], most)

    def _frozen(self, now: Value, where: Sequence[str], most: Any) -> Any:
        """
        Return the runs whose lease a wrong clock gave.
        """
        order = [self._tables.runs.c.lease_until]

        return self._picked([self._say.too_far(now)], self._say.worked, where, order, most)

    def _fresh(self, now: Value, ready: Sequence[str], where: Sequence[str], most: Any) -> Any:
        """
        Return the runs that can start.
        """
        runs = self._tables.runs.c
        due = (
            [sa.or_(runs.not_before.is_(None), runs.not_before <= now)] if "claims" in runs else []
        )

        order = [runs.born_at, runs.id]

        return self._picked([among(runs.status, ready), *due], ready, where, order, most)

    def _picked(
        self, which: Any, statuses: Sequence[str], where: Sequence[str], order: Any, most: Any
    ) -> Any:
        runs, column = self._tables.runs.c, self._say.column
        among_these = [
            column(name) == sa.bindparam(f"where_{name}", type_=column(name).type) for name in where
        ]
        if self._say.max_claims is not None:
            among_these.append(runs.claims < sa.literal_column(str(self._say.max_claims[0])))
        query = sa.select(runs.id).where(which[0], *among_these, *which[1:])

        return self._say.beside(query, statuses).order_by(*order).limit(most)

    def _claim_line(self, moved: Any) -> dict[str, Any]:
        """
        Return the journal's line about a claim: a move if it started the run.
        """
        c = moved.c
        started = c.attempt == sa.literal_column("1")

        def if_started(value: Any) -> Any:
            return sa.case((started, value), else_=sa.null())

        return {
            "run_id": c.id,
            "seq": if_started(c.version),
            "kind": sa.case(
                (started, sa.literal_column("'move'")), else_=sa.literal_column("'claim'")
            ),
            "trigger": if_started(c.last_trigger),
            "source": if_started(c.last_source),
            "target": if_started(c.status),
            "at": sa.case(
                (started, c.moved_at),
                else_=self._say.latest(
                    c.lease_until - sa.bindparam("seconds", type_=sa.Double()), c.moved_at
                ),
            ),
            "duration_s": if_started(c.last_duration_s),
            "clock_regressed": sa.case((started, c.clock_regressed), else_=sa.false()),
            "token": c.lease_token,
            "actor": c.lease_owner,
        }

    def _renewal(self, seconds: Value) -> Prepared | Changing:
        table, clock = self._tables.runs, self._say.clock_of_update()
        runs, now = table.c, clock.c.now
        one = runs.id == sa.bindparam("id", type_=sa.Text())
        token = runs.lease_token == sa.bindparam("token", type_=sa.BigInteger())
        update = table.update().where(one, token, runs.lease_until > now)
        update = update.values(lease_until=now + seconds)
        if self._say.mariadb:
            answer = (runs.id, runs.lease_token, runs.lease_until, runs.status, runs.moved_at)
            return Changing(update, sa.select(*answer).where(one), self._dialect)

        return Prepared(
            update.returning(
                runs.id, runs.lease_token, runs.lease_until, runs.status, runs.moved_at
            ),
            self._dialect,
        )

    def _renew_many(self) -> Any:
        table, clock = self._tables.runs, self._say.clock()
        runs, now = table.c, clock.c.now
        batch = self._say.batch({"id": sa.Text(), "token": sa.BigInteger(), "seconds": sa.Double()})

        return (
            table.update()
            .where(runs.id == batch.c.id, runs.lease_token == batch.c.token, runs.lease_until > now)
            .values(lease_until=now + batch.c.seconds)
            .returning(runs.id, runs.lease_token, runs.lease_until, runs.status, runs.moved_at)
        )

    def _rearm(self) -> Any:
        """
        Return the statement that sets deadlines anew which a wrong clock set too far ahead.
        """
        table, clock = self._tables.runs, self._say.clock_of_update()
        runs, now = table.c, clock.c.now
        seconds = {s: float(each) for s, (each, _) in self._say.deadlines.items()}
        if not seconds:
            return table.update().where(sa.false()).values(deadline_at=runs.deadline_at)
        own = sa.case(
            *((runs.status == word(s), sa.literal_column(repr(n))) for s, n in seconds.items())
        )
        limit = now + own + sa.literal_column(repr(CLOCK_ERROR))

        return (
            table.update()
            .where(
                # The first is the index's, and the second says it by status.
                runs.deadline_at > now + sa.literal_column(repr(min(seconds.values()))),
                runs.deadline_at > limit,
                self._say.sane(now),
                *self._say.met(),
            )
            .values(deadline_at=now + own)
        )

    def _overdue(self) -> list[Any]:
        """
        Return the runs that somebody must end, each with the trigger to do it.
        """
        runs, clock = self._tables.runs.c, self._say.clock()
        now = sa.select(clock.c.now).scalar_subquery()
        giving_up = cancelling_rows(self._lifecycle)
        deadline = self._say.layout.deadline
        timeouts = timeout_rows(self._lifecycle) if deadline else {}
        expires = runs[self._say.layout.stamps[deadline]] if deadline else sa.null()
        nobody_on_it = sa.or_(
            runs.lease_until <= now,
            self._say.too_far(now),
            sa.and_(runs.lease_until.is_(None), ~among(runs.last_source, self._say.worked)),
        )
        found = [
            ({s: t for s, (_, t) in self._say.deadlines.items()}, runs.deadline_at <= now),
            (
                giving_up,
                sa.and_(self._say.seldom(among(runs.status, list(giving_up))), nobody_on_it),
            ),
            (timeouts, expires <= now),
        ]
        if self._say.max_claims is not None:
            most, trigger = self._say.max_claims
            nobody = sa.or_(
                runs.lease_until.is_(None), runs.lease_until <= now, self._say.too_far(now)
            )
            sources = dict.fromkeys(map(str, self._lifecycle.sources(trigger)), trigger)
            found.append((sources, sa.and_(runs.claims >= sa.literal_column(str(most)), nobody)))

        return [
            self._say.skipping(
                self._say.beside(
                    sa.select(
                        runs.id,
                        runs.version,
                        runs.status,
                        sa.case(
                            *((runs.status == word(s), word(t)) for s, t in triggers.items())
                        ).label("trigger"),
                    ).where(
                        among(self._say.compared("status"), list(triggers)),
                        due,
                        self._say.sane(now),
                    ),
                    list(triggers),
                ).limit(sa.bindparam("most", type_=sa.BigInteger()))
            )
            for triggers, due in found
            if triggers
        ]
