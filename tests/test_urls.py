"""
Passwords: a URL is shown without its secrets, whatever they hold and wherever it is shown.
"""

import asyncio
import io
import pickle
import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstate import cli, histories
from runstate.frames import FrameError, survey_table
from runstate.report import render_report
from runstate.store import AsyncRunStore, RunStore

WORDS = ("Kx9q", "Zw7v", "Jb4h")
"""Parts of passwords. No other text of these tests holds one of them."""

SEPARATORS = (
    *"@/?#&=%:;,[]{}'\"\\ \t\n\x1b€*|", "://", "@host/", "%40", "%2", "?a=", "&password=", "#@", "\u202e", ":5432/", "=@",
)  # fmt: skip

TYPED: tuple[str, ...] = (
    "Kx9q", "Kx9q@Zw7v", "Kx9q/Zw7v@Jb4h", "Kx9q?Zw7v=Jb4h", "Kx9q&Zw7v", "Kx9q'\\Zw7v", "@/Kx9q\nZw7v\x1b",
    "Kx9q%2",
)  # fmt: skip
"""A few of them, for tests that run the command with each."""

passwords = st.lists(
    st.sampled_from(WORDS) | st.sampled_from(SEPARATORS) | st.text(max_size=3), max_size=6
).map("".join)
users = st.sampled_from(["me", "me%40corp", ""])
shapes = st.sampled_from(
    [
        "postgresql://{user}:{password}@127.0.0.1:1/app",
        "postgresql+psycopg://{user}:{password}@h1,h2/app?sslmode=require",
        "postgres:/{user}:{password}@127.0.0.1/app",
        "postgresql://127.0.0.1:1/app?user={user}&password={password}",
        "postgresql://127.0.0.1:1?sslpassword={password}&user={user}",
        "postgresql://a:b@127.0.0.1/app?x=1;api_token={password}",
        "jdbc:postgresql://127.0.0.1/app?user={user}&password={password}",
        "sqlite:///nowhere.db?password={password}",
        "s3a://{user}:{password}@bucket/events",
        "mysql://{user}:{password}@h/app",
        "https://h/x#access_token={password}",
        "host=127.0.0.1 user={user} password='{password}'",
    ]
)


def shown_url(url: str) -> str:
    """
    Return what an error about *url* calls it.
    """
    return FrameError(url, "").place


def without_secrets(message: str, url: str) -> str:
    """
    Return the reason of an error about *url*, where a driver says *message*.
    """
    return FrameError(url, message).reason


def is_ambiguous(url: str) -> bool:
    """
    Return whether *url* is refused because it is not clear which part is the password.

    Without its driver, no database is connected to.
    """
    server = "postgresql://" + re.split("[A-Za-z]:/+", url, maxsplit=1)[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "adbc_driver_postgresql", None)
        with pytest.raises(FrameError, match=r"is ambiguous|adbc-driver-postgresql") as refused:
            survey_table(server, table="runs")

    return "is ambiguous" in refused.value.reason


def secret_free(text: str) -> bool:
    """
    Return whether *text* holds no part of a password.
    """
    return not any(word in text for word in WORDS)


@given(shapes, users, passwords, st.booleans())
def test_no_part_of_a_password_is_shown(shape, user, password, escaped):
    """
    A URL is shown without its password, raw or escaped, and what is shown stays as it is.
    """
    written = quote(password, safe="") if escaped else password
    shown = shown_url(shape.format(user=user, password=written))

    assert secret_free(shown)
    assert shown == shown_url(shown)


@given(shapes, users, passwords, st.booleans())
def test_a_driver_that_quotes_the_password_is_not_repeated(shape, user, password, escaped):
    """
    A message that quotes a URL or its password, raw, decoded or escaped, is told without it.
    """
    written = quote(password, safe="") if escaped else password
    url = shape.format(user=user, password=written)
    if "://" not in url or is_ambiguous(url):
        return
    told = without_secrets(f"cannot open {url}: bad token {written!s}, {password!s}!", url)

    assert secret_free(told)
    assert told.startswith("cannot open ")


@pytest.mark.parametrize(
    "text",
    [
        "logs/2026.jsonl", "a@b.csv", "C:/logs/a@b.csv", "events/*.parquet", "s3a://bucket/?.csv",
        "postgresql://localhost/app", "duckdb:///runs.duckdb", "", "-", "no password here",
    ],
)  # fmt: skip
def test_a_name_without_a_secret_is_shown_as_it_is(text):
    """
    Names of files, patterns and URLs without user and parameters stay whole.
    """
    assert text == shown_url(text)
    assert f"cannot read {text}" == without_secrets(f"cannot read {text}", text)


@given(st.text(max_size=60))
def test_a_url_with_an_escaped_password_is_clear(password):
    """
    Percent-escapes make every password clear; a bare @ or / in one is refused.

    What follows both a host and ? may be the parameters, whose values may hold an @.
    """
    assert not is_ambiguous(f"postgresql://me:{quote(password, safe='', errors='replace')}@h/app")
    assert is_ambiguous(f"postgresql://me:a@{password.replace('?', '')}@h/app")
    assert is_ambiguous(f"postgresql://me:a/{password}@h/app")


@pytest.mark.parametrize(
    "rest",
    [
        "localhost/app?user=me&password=a@b", "[::1]:5432/app?password=a@b",
        "h1:5432,h2:5433/app?password=a@b", "me:x@h:5432/app?application_name=a@b", "h?a=b", "",
    ],
)  # fmt: skip
def test_an_at_in_the_value_of_a_parameter_is_clear(rest):
    """
    What precedes the parameters can be nothing but hosts, and a path.
    """
    assert not is_ambiguous(f"postgresql://{rest}")


# -- the command, all its outputs ---------------------------------------------------


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """
    Run the command in a folder of its own; return status and everything that it said.
    """
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["runstate", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err

        return caught.value.code, out + err

    return run


def urls_of(password: str) -> list[str]:
    """
    Return URLs of a server that is not there, with *password* at every place.
    """
    return [
        f"postgresql://me:{password}@127.0.0.1:1/app",
        f"postgresql://me:{quote(password, safe='')}@127.0.0.1:1/app",
        f"postgresql://127.0.0.1:1/app?user=me&password={password}",
        f"postgresql://127.0.0.1:1/app?user=me&password={quote(password, safe='')}",
        f"sqlite:///nowhere.db?password={password}",
    ]


WAYS = [
    ("check", "{}", "--table", "runs"),
    ("check", "{}", "--table", "runs", "--output", "github"),
    ("check", "{}", "--engine", "python", "--output", "text"),
    ("check", "{}", "--engine", "python", "--output", "json"),
    ("check", "{}", "--engine", "python", "--output", "github"),
    ("check", "{}", "--engine", "python", "--output", "junit"),
    ("check", "-", "{}", "--engine", "duckdb"),
    ("check", "{}"),
    ("check", "{}", "nowhere.csv", "--table", "runs"),
    ("report", "{}", "--table", "runs", "-o", "page.html"),
    ("convert", "{}", "-o", "log.xes"),
    ("draw", "--log", "{}"),
    ("draw", "--run", "{}"),
    ("draw", "run", "{}"),
    ("draw", "{}"),
    ("draw", "--format", "{}"),
    ("check", "nowhere.csv", "--lifecycle", "{}"),
    ("check", "nowhere.csv", "--map", "{}"),
    ("check", "nowhere.csv", "--limit", "{}"),
    ("check", "nowhere.csv", "--memory", "{}", "--engine", "duckdb"),
    ("check", "--explain", "{}"),
    ("sql", "{}", "--dialect", "sqlite"),
    ("lifecycles", "{}"),
    ("{}",),
]


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_no_message_of_the_command_holds_a_password(command, way):
    """
    Wherever a URL is put on the command line, no output holds a part of its password.
    """
    for password in TYPED:
        for url in urls_of(password):
            _, told = command(*(part.format(url) for part in way))

            assert secret_free(told), (password, url)


def test_the_demo_says_which_database_without_its_password(command):
    """
    A demo whose database cannot be opened says so in one line, without the password.
    """
    for password in TYPED:
        for url in urls_of(password)[:4]:
            status, told = command("demo", "--db", url.replace("://", "+psycopg://", 1), "-o", "d")

            assert 2 == status
            assert secret_free(told), (password, url)
            assert 1 == len(told.splitlines())


@pytest.fixture
def runs_table(postgresql_database):
    """
    A real server's table with one wrong run; it trusts everybody, whatever the password.
    """
    import psycopg

    plain = "postgresql://" + postgresql_database.partition("://")[2]
    with psycopg.connect(plain) as connection:
        connection.execute("create table runs (run_id text, status text, at float8)")
        connection.execute(
            "insert into runs values ('a', 'queued', 1.7e9), ('a', 'completed', 1.8e9)"
        )

    return plain


@pytest.mark.parametrize("place", ["user", "parameter"])
def test_findings_and_pages_about_a_real_table_hold_no_password(command, runs_table, place):
    """
    Findings in every form and the page name the table without the password it was read with.
    """
    head, _, rest = runs_table.rpartition("@") if "@" in runs_table else ("", "", runs_table)
    rest = rest.removeprefix("postgresql://")
    user = head.removeprefix("postgresql://").partition(":")[0] or "postgres"
    for password in TYPED:
        secret = quote(password, safe="")
        url = f"postgresql://{user}:{secret}@{rest}"
        if place == "parameter":
            mark = "&" if "?" in rest else "?"
            url = f"postgresql://{rest}{mark}user={user}&password={secret}"
        for form in ("text", "json", "github", "junit"):
            status, told = command("check", url, "--table", "runs", "--output", form)

            assert 1 == status, told
            assert "RS103" in told
            assert secret_free(told), url
        status, told = command("report", url, "--table", "runs", "-o", "page.html")
        page = Path("page.html").read_text(encoding="utf-8")

        assert 1 == status, told
        assert "postgresql://" in page
        assert secret_free(told + page), url
        status, told = command("check", url, "--query", "select nothing")

        assert 2 == status
        assert secret_free(told), url


# -- the package --------------------------------------------------------------------


def test_the_page_shows_no_password():
    """
    The page is safe whoever calls for it: names of inputs are shown without secrets.
    """
    for password in TYPED:
        page = render_report(histories.survey([]), files=urls_of(password)).decode()

        assert secret_free(page)


def test_errors_about_a_database_hold_no_password():
    """
    An error about a database holds its password in no attribute, in no text, and not when pickled.
    """
    for password in TYPED:
        for url in urls_of(password):
            with pytest.raises(FrameError) as caught:
                survey_table(url, table="runs")
            error = pickle.loads(pickle.dumps(caught.value))

            assert secret_free(f"{caught.value!r} {caught.value} {error!r} {error.place}")
            assert str(error) == str(caught.value)
            assert caught.value.__cause__ is None


def opened(kind, url):
    """
    Open a store of *kind* at *url*.
    """
    store = kind.open(url)
    return asyncio.run(store) if kind is AsyncRunStore else store


@pytest.mark.parametrize("kind", [RunStore, AsyncRunStore])
def test_a_store_that_cannot_be_opened_does_not_say_the_password(kind):
    """
    No error of a store, nor what shows it, holds a part of the password of its URL.
    """
    for password in TYPED:
        for url in urls_of(password)[:4]:
            if "?" in url and password in url:
                continue  # what follows & is a parameter of the driver's, and it names it
            with pytest.raises(Exception) as caught:  # noqa: PT011  whatever the driver raises
                opened(kind, url.replace("://", "+psycopg://", 1))

            assert secret_free(f"{caught.value!r} {caught.value}"), url


def test_an_open_store_does_not_show_its_password(tmp_path):
    """
    What shows a store shows no secret.
    """
    with RunStore.open(f"sqlite:///{tmp_path}/runs.db") as store:
        assert re.fullmatch(r"<.*RunStore object at .*>", repr(store))


def test_a_file_whose_name_looks_like_a_url_is_read(tmp_path, command):
    """
    Hiding is for what is shown: a file of any name is read, and named without what may be secret.
    """
    Path("file://me:Kx9q@h").mkdir(parents=True)
    Path("file://me:Kx9q@h/a.csv").write_text("run_id,status\na,completed\na,queued\n")
    status, told = command("check", "file://me:Kx9q@h/a.csv", "--engine", "python")

    assert 1 == status
    assert "file://***@h/a.csv:3: RS105" in told


def test_a_database_file_is_named_in_full(tmp_path):
    """
    The URL of a file without parameters is shown as it was given.
    """
    path = tmp_path / "runs.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table runs (run_id text, status text, at real)")
        connection.execute("insert into runs values ('a', 'completed', 1), ('a', 'queued', 2)")
    survey = survey_table(f"sqlite:///{path}", table="runs")

    assert f"sqlite:///{path} runs" == survey.findings[0].file
