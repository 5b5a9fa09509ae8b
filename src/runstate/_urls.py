"""
URLs without their secrets: the one place that renders a URL for messages, findings, pages and logs.

A password may hold the characters that divide a URL. Where it is not clear which part is the
password, everything that may be one is hidden.
"""

import re
from collections.abc import Iterator
from typing import Final

from ._text import printable

__all__ = ["shown_url", "url_fault", "without_secrets"]

_HIDDEN: Final = "***"
# One slash is enough, since a mistyped URL holds the same password. One letter is a drive.
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.:-]{1,60}:/+")
_PARAMETERS: Final = re.compile(r"[?#;]")
_PASSWORD_SETTING: Final = re.compile(
    r"((?:password|passwd|pwd|secret)\w{0,40}\s{0,9}=).*", re.IGNORECASE | re.DOTALL
)
_SECRET_KEY: Final = re.compile(r"pass|pwd|secret|token|credential|key|sig", re.IGNORECASE)
_ESCAPED: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_USER: Final = r"([^/?@]*@)?"
_HOST: Final = r"(\[[^/?@\]]*\]|[^/?@:,\[]*)(:\d*)?"
_CLEAR: Final = re.compile(
    # An @ in the parameters is one of a value, if what stands before them can be nothing but a host.
    rf"{_USER}[^/?@]*(/[^?@]*)?(\?[^@]*)?|{_USER}{_HOST}(,{_HOST})*/[^?@]*\?[^@&;=]+=.*",
    re.DOTALL,
)


def shown_url(text: str) -> str:
    """
    Return *text*, a URL, a path or anything else that names an input, without its secrets.

    The user, the password and all parameters of a URL become ``***``, and so does a
    ``password=`` setting elsewhere. Other text is returned as it is.

    Args:
        text: What the caller named. It need not be a valid URL.

    Example:
        >>> shown_url("postgresql://me:s3/cr@t@localhost/app?sslmode=require")
        'postgresql://***@localhost/app?***'
        >>> shown_url("postgresql://localhost/app?user=me&password=a@b")
        'postgresql://***'
        >>> shown_url("logs/2026.jsonl")
        'logs/2026.jsonl'
    """
    match = _SCHEME.search(text)
    if match is None:
        return _PASSWORD_SETTING.sub(rf"\1{_HIDDEN}", text)
    head, rest = text[: match.end()], text[match.end() :]
    head = _PASSWORD_SETTING.sub(rf"\1{_HIDDEN}", head)
    user_end, parameters = rest.rfind("@") + 1, _parameters(rest)
    if parameters < user_end:
        return f"{head}{_HIDDEN}"
    user = f"{_HIDDEN}@" if user_end else ""
    hidden = f"{rest[parameters]}{_HIDDEN}" if parameters < len(rest) else ""

    return f"{head}{user}{rest[user_end:parameters]}{hidden}"


def url_fault(url: str) -> str | None:
    """
    Return why it is not clear which part of *url* is the password; None if it is clear.

    A driver that takes one part for another may quote half of the password in its message.
    """
    match = _SCHEME.match(url)
    if match is None or _CLEAR.fullmatch(url, match.end()):
        return None

    return (
        "the URL is ambiguous: in a user name, password or parameter, "
        "write @ as %40, / as %2F and ? as %3F"
    )


def without_secrets(message: str, *urls: str) -> str:
    """
    Return *message*, such as one of a driver, with no secret of *urls* in it.

    Args:
        message: What somebody else says of the URLs.
        urls: URLs whose passwords and secret parameters may be quoted in *message*, raw or
            decoded. Other text among them has no effect.
    """
    whole = [url for url in urls if _SCHEME.search(url) and shown_url(url) != url]
    for url in sorted(whole, key=len, reverse=True):
        message = message.replace(url, shown_url(url))
    found = {form for url in whole for secret in _secrets(url) for form in _forms(secret)}
    for secret in sorted(found, key=len, reverse=True):
        message = message.replace(secret, _HIDDEN)

    return message


def _parameters(rest: str) -> int:
    """
    Return where the parameters begin in *rest*, what follows the scheme; its length if nowhere.
    """
    match = _PARAMETERS.search(rest, 0, rest.rfind("=") + 1)

    return len(rest) if match is None else match.start()


def _secrets(url: str) -> Iterator[str]:
    """
    Yield every substring of *url* that one way of parsing it treats as a secret.
    """
    match = _SCHEME.search(url)
    rest = url[match.end() :] if match else ""
    _, _, password = rest[: rest.rfind("@") + 1].removesuffix("@").partition(":")
    if password:
        yield password
    # What follows the first secret key may be the rest of a value that holds the separator.
    pieces = re.split(r"[&;=]", rest[_parameters(rest) + 1 :])
    keys = [place for place, piece in enumerate(pieces[:-1]) if _SECRET_KEY.search(piece)]
    yield from filter(None, pieces[keys[0] + 1 :] if keys else ())


def _forms(raw: str) -> set[str]:
    """
    Return how a message may quote the part *raw* of a URL: as it is, decoded, escaped, as a literal.
    """
    data = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), raw.encode(errors="replace"))
    decoded = data.decode(errors="replace")

    return {
        form
        for each in (raw, decoded)
        for form in (each, printable(each, len(each) + 1), repr(each)[1:-1])
    }
