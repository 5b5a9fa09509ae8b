"""
The layout: where the statuses and arrows of a figure stand.
"""

from .place import lay_out

__all__ = ["lay_out"]
