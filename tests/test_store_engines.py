"""
The engines that a store opens itself: what their connections know, share and outlive.
"""

import asyncio

import pytest
import sqlalchemy as sa

from runstate.store import AsyncRunStore, RunStore

SETTINGS = "SELECT current_schema(), current_setting('synchronous_commit')"


@pytest.mark.parametrize("kind", [RunStore, AsyncRunStore])
def test_a_store_that_may_forget_at_a_power_cut_keeps_what_its_url_says(postgresql_database, kind):
    """
    Such as the schema that its tables live in.
    """
    engine = sa.create_engine(postgresql_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA mine")
    engine.dispose()
    url = f"{postgresql_database}?options=-csearch_path%3Dmine"

    async def asynchronous():
        async with await AsyncRunStore.open(url, durable=False) as store:
            async with store.engine.connect() as connection:
                return tuple((await connection.exec_driver_sql(SETTINGS)).one())

    if kind is AsyncRunStore:
        assert ("mine", "off") == asyncio.run(asynchronous())
        return
    with RunStore.open(url, durable=False) as store, store.engine.connect() as connection:
        assert ("mine", "off") == tuple(connection.exec_driver_sql(SETTINGS).one())
