"""
What the tests of the store have other processes do: little is imported, so that they start fast.
"""

from runstate.store import RunStore


def opened(url, gate, answers):
    """
    Open a store at the same time as all others, and create a run in it.
    """
    gate.wait(100)
    with RunStore.open(url) as store:
        answers.put(store.create().id)
