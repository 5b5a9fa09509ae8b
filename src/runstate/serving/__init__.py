"""
An HTTP server of runs: the API that OpenAI's client calls, its workers and its sweeper, over one store.

``make_app`` returns an application for any ASGI server, or to mount in FastAPI or Starlette.
``work`` and ``sweep`` are for processes of their own, in ``restart_on_failure``. You bring the model.

Example:
    >>> import tempfile
    >>> from starlette.testclient import TestClient
    >>> async def model(run, outputs):
    ...     return "complete", {}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     app = make_app(f"sqlite+aiosqlite:///{folder}/runs.db", model, workers=0)
    ...     with TestClient(app) as client:
    ...         run = client.post("/v1/threads/t1/runs", json={"assistant_id": "a"}).json()
    ...         again = client.get(f"/v1/threads/t1/runs/{run['id']}").json()
    >>> again["status"], again == run
    ('queued', True)
"""

from ..errors import MissingExtraError

try:
    import starlette  # noqa: F401
except ImportError as _missing:
    raise MissingExtraError("runstate.serving", "starlette", "serving") from _missing

from ._app import make_app
from ._worker import Model, Outcome, restart_on_failure, sweep, work

__all__ = ["Model", "Outcome", "make_app", "restart_on_failure", "sweep", "work"]
