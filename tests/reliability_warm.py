"""
What the server of forks does once, so that its children need not: see ``reliability.Child``.

SQLAlchemy builds and compiles much when a store is opened and used for the first time. The server
holds no connection afterwards, and has no thread.
"""

import structlog

from conftest import PAYLOADS
from reliability import drop
from runstate.store import RunStore

structlog.configure(processors=[drop])
with RunStore.open("sqlite://") as store:
    run_id = store.create().id
    lease = store.claim("nobody", 30)
    assert lease is not None
    assert store.heartbeat(lease).ok
    assert store.fire(
        run_id, "complete", token=lease.token, key="once", **PAYLOADS.get("complete", {})
    ).ok
    store.sweep()
structlog.reset_defaults()
