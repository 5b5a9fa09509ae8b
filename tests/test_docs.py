"""
The site's pages show what happens: every example is executed, and every link leads somewhere.
"""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from examples import EXECUTED, PAGES, ROOT, SHOWN, blocks, run_page
from servers import missing
from test_surface import MODULES


def named(path: Path) -> str:
    """
    Return the place of a page in the site.
    """
    return path.relative_to(ROOT / "docs").with_suffix("").as_posix()


WITH_POSTGRESQL = [each for each in PAGES if "DATABASE_URL" in each.read_text("utf-8")]


WITH_SPARK = ROOT / "docs" / "how-to" / "spark.md"
ALONE = [each for each in PAGES if each not in {*WITH_POSTGRESQL, WITH_SPARK}]


@pytest.mark.parametrize("page", ALONE, ids=named)
def test_every_example_of_a_page_does_what_it_says(page, tmp_path, monkeypatch):
    """
    Python, commands and files, in the order of the page.
    """
    monkeypatch.chdir(tmp_path)

    run_page(page, tmp_path)


@pytest.mark.spark
@pytest.mark.xdist_group("spark")
def test_the_example_for_spark_does_what_it_says(tmp_path, monkeypatch):
    """
    On a local Spark, which needs Java.
    """
    if shutil.which("java") is None or find_spec("pyspark") is None:
        missing("PySpark and Java")
    monkeypatch.chdir(tmp_path)

    run_page(WITH_SPARK, tmp_path)


@pytest.mark.parametrize("page", WITH_POSTGRESQL, ids=named)
def test_every_example_for_postgresql_does_what_it_says(
    page, tmp_path, monkeypatch, postgresql_database
):
    """
    The same for a page that takes its database from the environment.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", postgresql_database)

    run_page(page, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_block_is_left_out(page):
    """
    Each block is executed, a file that is used, or of a kind that cannot be executed.
    """
    text = page.read_text("utf-8")
    found = blocks(text)

    assert [] == [
        (each.language, each.line)
        for each in found
        if each.name is None and each.language not in EXECUTED | SHOWN
    ]
    assert text.count("```") == 2 * len(found), "a fence is indented or has no language"
    for each in found:
        if each.language == "sh":
            assert re.match(r"(?:python|pip|\.venv|pre-commit|docker|git|npm|apt)", each.body)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda path: path.name)
def test_every_relative_link_leads_to_a_file(page):
    """
    Also those that only a reader of the repository follows. Generated pages are not there yet.
    """
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
    generated = re.compile(
        r"(?:^|/)(?:findings|cli|maps)\.md$|(?:^|/)(?:presets|api)/[^/]+$|_extra"
    )

    assert [] == [
        each for each in links if not generated.search(each) and not (page.parent / each).exists()
    ]


def test_every_page_is_in_the_navigation():
    """
    Each folder's index lists each of its pages.
    """
    missing = []
    for page in PAGES:
        index = page.parent / "index.md"
        if page == index or page.parent == ROOT / "docs":
            continue
        if not re.search(rf"^{page.stem}$", index.read_text("utf-8"), re.MULTILINE):
            missing.append(named(page))

    assert [] == missing


def test_the_reference_has_a_page_for_every_public_module():
    """
    The list of modules of the site is that of the tests of the public surface.
    """
    written = (ROOT / "docs" / "_generated.py").read_text("utf-8")
    listed = set(re.findall(r'^    "(runstate[a-z._]*)": "', written, re.MULTILINE))

    assert {"runstate", *MODULES} == listed
