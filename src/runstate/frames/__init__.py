"""
Histories at scale: the rules of :func:`runstate.check` over whole files and tables.

An engine screens all rows in bulk and names the runs that may be wrong; only those
are read again and judged, by the same code as everywhere. Needs the extra ``frames``.
"""

from ._api import Asked, Paths, check_frame, survey_files, survey_frame, survey_table
from ._databases import is_database
from ._errors import FrameError

__all__ = [
    "Asked",
    "FrameError",
    "Paths",
    "check_frame",
    "is_database",
    "survey_files",
    "survey_frame",
    "survey_table",
]
