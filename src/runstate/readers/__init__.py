"""
Readers: bytes in, what they say about runs out.

Every reader turns its input into observations for :func:`runstate.check`. Nothing
in the bytes raises: a record that cannot be used becomes a finding that names the
file, the line and the reason, and what comes after it is still read.
"""

from ._read import FORMATS, read
from ._record import Columns, Read

__all__ = ["FORMATS", "Columns", "Read", "read"]
