"""
What an editor shows of a store: every option by its name, in both kinds alike.
"""

import inspect

from runstate.store import AsyncRunStore, RunStore

OPTIONS = [
    "prefix", "expires_after", "deadlines", "clock", "new_id", "logger", "adopt_lifecycle",
]  # fmt: skip


def test_a_store_lists_its_options_in_its_signatures():
    """
    No option hides behind ``**options``, and every one is described.
    """
    for kind in (RunStore, AsyncRunStore):
        for call in (kind.open, kind.__init__):
            parameters = inspect.signature(call).parameters
            assert OPTIONS == [name for name in parameters if name in OPTIONS]
            assert inspect.Parameter.VAR_KEYWORD not in {p.kind for p in parameters.values()}
            for name in parameters:
                assert name in {"self", "cls"} or f" {name}: " in call.__doc__, (call, name)


def test_both_kinds_of_store_take_the_same_arguments():
    """
    By name, in order and with the same default values.
    """
    for name, method in inspect.getmembers(RunStore, inspect.isfunction):
        if name.startswith("_"):
            continue
        ours = inspect.signature(method).parameters.values()
        theirs = inspect.signature(getattr(AsyncRunStore, name)).parameters.values()
        assert [(p.name, p.kind, p.default) for p in ours] == [
            (p.name, p.kind, p.default) for p in theirs
        ], name
