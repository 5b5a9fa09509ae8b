"""
An agent server in FastAPI, as a user would write it: tests/apps/fastapi_service, with real processes.

Two tenants on PostgreSQL, driven by the openai client; workers, one of which is killed; a second
writer; a pruned month; migrations by Alembic while a server and a worker run.
"""

import socket
import time
from contextlib import closing
from pathlib import Path

import openai
import pytest
import sqlalchemy as sa

from applications import Application, ended, length, until
from runstate import RUN, Transition, check
from runstate.store import RunStore

APP = Path(__file__).parent / "apps" / "fastapi_service"
WIDER = RUN.with_transitions(Transition("give_back", "in_progress", "queued"))
pytestmark = pytest.mark.filterwarnings(
    "ignore:The Assistants API is deprecated:DeprecationWarning"
)


class Service(Application):
    """
    The application on one database.
    """

    def __init__(self, url):
        super().__init__(APP, url, DATABASE_URL=url)
        self.clients = []

    def worker(self, name, seconds=600, **environment):
        """
        Start a worker.
        """
        return self.start("worker.py", name, str(seconds), **environment)

    def alembic(self, *arguments, **environment):
        """
        Return what Alembic prints.
        """
        program = "from alembic.config import main; main(prog='alembic')"

        return self.said("-c", program, *arguments, **environment)

    def serve(self, **environment):
        """
        Start a server, and return a client of each tenant.
        """
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = self.start("-m", "uvicorn", "server:app", "--port", str(port), **environment)
        for _ in range(600):
            with closing(socket.socket()) as trial:
                if not trial.connect_ex(("127.0.0.1", port)):
                    break
            assert server.poll() is None, server.stderr.read()
            time.sleep(0.1)

        return [self.client(port, key) for key in ("key-of-acme", "key-of-globex")]

    def client(self, port, key):
        """
        Return the openai client of a tenant.
        """
        http = openai.DefaultHttpxClient(trust_env=False)
        self.clients.append(
            openai.OpenAI(
                base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0, http_client=http
            )
        )

        return self.clients[-1].beta.threads.runs

    def close(self):
        """
        End every process, and close every connection.
        """
        for each in self.clients:
            each.close()
        super().close()

    def histories(self, tenant, lifecycle=RUN):
        """
        Return the journal of each run, which must be legal, with one end a run.
        """
        with RunStore.open(self.url, lifecycle=lifecycle, schema=tenant, install=False) as store:
            lines = [line for line in store.moves(limit=1_000).items if line.kind == "move"]
        for run in {line.run_id for line in lines}:
            statuses = [line.target for line in lines if line.run_id == run]
            assert check(statuses, lifecycle).ok
            assert 1 == sum(map(lifecycle.is_terminal, statuses))

        return lines


@pytest.fixture
def service(postgresql_database):
    """
    The application with its tables, but for the last two migrations.
    """
    service = Service(postgresql_database)
    service.rows("CREATE SCHEMA acme; CREATE SCHEMA globex")
    service.alembic("upgrade", "0001")
    yield service
    service.close()


def test_it_is_as_short_as_it_says():
    """
    Under 150 lines, without the migrations.
    """
    assert length(*APP.glob("*.py")) < 150


@pytest.mark.slow
def test_two_tenants_tools_cancels_streams_and_a_killed_worker(service):
    """
    Each run is ended once, by its own tenant's doing, whoever dies or is too late.
    """
    acme, globex = service.serve()
    mine = acme.create("thread_1", assistant_id="asst_1", instructions="ask")
    with pytest.raises(openai.NotFoundError):
        globex.retrieve(mine.id, thread_id="thread_1")
    with pytest.raises(openai.AuthenticationError):
        service.client(acme._client.base_url.port, "stolen").list("thread_1")
    victim = service.worker("victim", 1)
    until("took ask", victim)
    victim.kill()  # it holds the run, and its lease runs out
    tool = globex.create("thread_2", assistant_id="asst_1", instructions="tool")
    other = service.worker("other", 1)
    until("took ask", other)

    # A second writer: what the table does not allow is refused in SQL, too.
    with pytest.raises(sa.exc.DBAPIError, match="cannot become"):
        service.rows("UPDATE acme.runstate_runs SET status = 'queued'")
    assert "cancelling" == acme.cancel(mine.id, thread_id="thread_1").status
    with pytest.raises(openai.BadRequestError, match="The run is cancelling"):
        acme.cancel(mine.id, thread_id="thread_1")
    other.stdin.write("\n")
    other.stdin.flush()
    third = service.worker("third")
    while globex.retrieve(tool.id, thread_id="thread_2").status != "requires_action":
        time.sleep(0.05)
    outputs = [{"tool_call_id": "call_1", "output": "sunny"}]
    globex.submit_tool_outputs(tool.id, thread_id="thread_2", tool_outputs=outputs)
    names = [event.event for event in globex.create("thread_2", assistant_id="asst_1", stream=True)]

    assert ["queued", "in_progress", "completed"] == [
        each.removeprefix("thread.run.") for each in names
    ]
    assert "completed" == globex.retrieve(tool.id, thread_id="thread_2").status
    assert acme.retrieve(mine.id, thread_id="thread_1").status in {"cancelled", "completed"}
    other.wait(60)
    assert "pruned 0" in ended(third)
    assert {"thread_1"} == {run.thread_id for run in acme.list("thread_1").data}
    assert 3 == len({line.run_id for t in ("acme", "globex") for line in service.histories(t)})


@pytest.mark.slow
def test_operation_while_a_server_and_a_worker_run(service):
    """
    A month is pruned, another column is migrated and the lifecycle grows: the old ones work on.
    """
    acme, globex = service.serve()
    for _ in range(2):
        globex.create("thread_1", assistant_id="asst_1")
    said = ended(service.worker("one"))
    assert ["took None", "None Applied"] * 2 + ["pruned 0", "pruned 0"] == said
    first, _ = globex.list("thread_1", order="asc").data
    service.rows("UPDATE globex.runstate_runs SET moved_at = moved_at - 3e6")
    held = acme.create("thread_1", assistant_id="asst_1", instructions="ask")
    worker = service.worker("old")
    until("took ask", worker)

    assert ["pruned 0", "pruned 1"] == ended(service.worker("two"))  # the last run stays
    with pytest.raises(openai.NotFoundError):
        globex.retrieve(first.id, thread_id="thread_1")
    service.alembic("upgrade", "0002")
    with pytest.raises(sa.exc.DBAPIError, match="cannot become"):
        service.rows("UPDATE acme.runstate_runs SET status = 'queued'")

    # The second release beside the first: its worker gives a run back, and the old one ends its own.
    service.alembic("upgrade", "0003", RELEASE="2")
    assert "No new upgrade operations detected" in service.alembic("check", RELEASE="2")
    newer, _ = service.serve(RELEASE="2")
    back = newer.create("thread_1", assistant_id="asst_1", instructions="back")
    giving = service.worker("new", RELEASE="2")
    until("back Applied", giving)
    giving.kill()
    # Before the old worker goes on: it would take the run, and does not know how to give it back.
    assert "cancelling" == acme.cancel(back.id, thread_id="thread_1").status
    worker.stdin.write("\n")
    worker.stdin.flush()
    for api, run in ((acme, held), (newer, back)):
        assert api.retrieve(run.id, thread_id="thread_1").status in RUN.known
    assert "ask Applied" in ended(worker)
    assert "LifecycleMismatchError" in service.worker("restarted").communicate(timeout=60)[1]
    ended(service.worker("last", RELEASE="2"))
    assert "completed" == acme.retrieve(held.id, thread_id="thread_1").status
    assert "cancelled" == acme.retrieve(back.id, thread_id="thread_1").status
    triggers = [line.trigger for line in service.histories("acme", WIDER)]
    assert "give_back" in triggers
