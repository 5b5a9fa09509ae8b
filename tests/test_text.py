"""
Untrusted text is harmless once it is printable, as in the message of an error.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstate import DefinitionError
from runstate.store import RunStore, StoreArgumentError

ESCAPED = {
    "": "",
    "run_1": "run_1",
    "naïve 日本 ✓": "naïve 日本 ✓",
    "a\nb": "a\\nb",
    "a\r\nb\tc": "a\\r\\nb\\tc",
    "\x00": "\\x00",
    "\x1b[31mred": "\\x1b[31mred",
    "\x7f\x85\x9b": "\\x7f\\x85\\x9b",
    "a\u2028b\u2029c": "a\\u2028b\\u2029c",
    "\u202eevil\u2066": "\\u202eevil\\u2066",
    "zero\u200bwidth\ufeff": "zero\\u200bwidth\\ufeff",
    "\ud800": "\\ud800",
    "\U000e0001": "\\U000e0001",
    "no\u00a0break": "no\\xa0break",
}


MOST = 5_000
"""Characters of the message."""


def printable(text):
    """
    Return the message of an error about *text*.
    """
    return str(DefinitionError("", "", text))


@pytest.mark.parametrize(("text", "expected"), ESCAPED.items(), ids=map(ascii, ESCAPED))
def test_printable_escapes_what_acts(text, expected):
    """
    Whatever acts on a terminal or an eye becomes its escape; the rest stays as it is.
    """
    assert expected == printable(text)


def test_printable_cuts_what_is_too_long():
    """
    A text of the longest length stays whole; one more character cuts it, with an ellipsis.
    """
    whole = "x" * MOST

    assert (whole, whole[:-1] + "…") == (printable(whole), printable(whole + "x"))


@given(st.text(st.characters(exclude_categories=()), max_size=400))
def test_printable_is_printable(text):
    """
    Whatever goes in, what comes out is on one line and shown as it is, and stays so.
    """
    shown = printable(text)

    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    assert shown == printable(shown)


def test_a_value_that_cannot_be_shown_is_named_by_its_type():
    """
    The message about a mistake is never lost to the value of it.
    """
    pretender = type("list", (), {"__module__": "builtins"})()

    with pytest.raises(StoreArgumentError, match="got <list>"):
        RunStore.open(pretender)
