"""
A small orchestrator over one database, as a demonstration of the package.

Workers, each a process of its own, compete for runs, miss heartbeats, and end overdue runs; users
cancel runs, and submit tool outputs late. One worker hangs while it holds leases and is killed;
others take its runs over. The store decides who wins. Its clock is 300 times as fast as real time,
so that ten minutes of a run take two seconds.
"""

from ._run import Killed, Outcome, run_demo

__all__ = ["Killed", "Outcome", "run_demo"]
