"""
A small orchestrator over one database, to see the whole of it at work.

Workers, each a process of its own, race for runs, sleep through their leases, and sweep
up what is overdue; an impatient user cancels, a forgetful one submits tool outputs late.
One worker hangs with runs in its hands and is killed; others carry them on. The store
decides who wins. Its time passes 300 times faster than on the wall, so that a run's ten
minutes take two seconds.
"""

from ._run import Killed, Outcome, run_demo

__all__ = ["Killed", "Outcome", "run_demo"]
