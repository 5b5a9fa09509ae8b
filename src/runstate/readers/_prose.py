"""
What people read and programs cannot: which it is, and what to ask for instead.
"""

import re
from typing import Final

__all__ = ["OWN_LOG", "what_it_is"]

OWN_LOG: Final = "runstate's own log is read as JSON lines (structlog's JSONRenderer)"
_PROSE: Final = f"neither JSON, JSON lines, server-sent events nor CSV with a header; {OWN_LOG}"
_FOR_PEOPLE: Final = (
    (
        re.compile(rb"---\s*$|%YAML|(apiVersion|kind|items|metadata):(\s|$)|- \w+:(\s|$)"),
        "YAML is not read: ask for JSON instead, such as kubectl get -o json",
    ),
    (
        re.compile(rb"[|+]|\S+( \S+)?\s*\||\S+( \S+)?( {2,}|\t+)\S+( \S+)?( {2,}|\t+|\s*$)"),
        "a table that is printed for people is not read: ask for JSON or CSV instead, such as "
        "-o json, --json, sacct -P or psql --csv",
    ),
)
"""How lines begin that a program prints for people, and what to ask it for."""


def what_it_is(line: bytes) -> str:
    """
    Return what is to be said of an input that begins with *line*, which is in no known format.
    """
    known = (reason for beginning, reason in _FOR_PEOPLE if beginning.match(line))

    return next(known, _PROSE)
