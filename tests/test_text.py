"""
Untrusted text is harmless once it is printable.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstate._text import LONGEST_SHOWN, printable

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
    whole = "x" * LONGEST_SHOWN

    assert (whole, whole[:-1] + "…", "ab…") == (
        printable(whole),
        printable(whole + "x"),
        printable("abcd", 3),
    )


@given(st.text(st.characters(exclude_categories=()), max_size=400))
def test_printable_is_printable(text):
    """
    Whatever goes in, what comes out is on one line and shown as it is, and stays so.
    """
    shown = printable(text)

    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    assert shown == printable(shown, len(shown))
