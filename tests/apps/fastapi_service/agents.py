"""What the server, the workers and the migrations share: the tenants, the lifecycle and the stores."""

import os
from contextlib import AsyncExitStack

from runstate import RUN, Transition
from runstate.store import AsyncRunStore

URL = os.environ["DATABASE_URL"]
TENANTS = {"key-of-acme": "acme", "key-of-globex": "globex"}
"""The schema of each tenant, by the key that its clients send."""
LIFECYCLE = RUN
if os.environ.get("RELEASE") == "2":
    # The second release gives runs back, for instance where a worker is shut down.
    LIFECYCLE = RUN.with_transitions(Transition("give_back", "in_progress", "queued"))


async def stores(until: AsyncExitStack) -> dict[str, AsyncRunStore]:
    """Open the store of each tenant, whose tables the migrations make; *until* closes them."""
    opened = {}
    for tenant in TENANTS.values():
        store = await AsyncRunStore.open(
            URL, lifecycle=LIFECYCLE, schema=tenant, install=False, expires_after=600
        )
        opened[tenant] = await until.enter_async_context(store)

    return opened
