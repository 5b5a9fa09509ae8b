"""
The page of evidence: one file that shows what was observed, and fetches nothing.
"""

from ._page import render_report

__all__ = ["render_report"]
