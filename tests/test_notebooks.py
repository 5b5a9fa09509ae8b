"""
What a notebook shows of lifecycles, reports and surveys: seen in one that a real kernel executes.
"""

from xml.etree import ElementTree as ET

import nbformat
import pytest
from nbclient import NotebookClient

from runstate import RUN, Finding, Observation, Report, check, histories

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """
    Return what the cells of an executed notebook show, by type of content.
    """
    cells = (
        "from runstate import RUN, check, histories\nRUN",
        "check(['queued', 'completed'])",
        "histories.survey(['queued', 'in_progress'])",
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    folder = {"metadata": {"path": str(tmp_path_factory.mktemp("notebook"))}}
    NotebookClient(notebook, timeout=60, kernel_name="python3", resources=folder).execute()

    return [cell.outputs[-1].data for cell in notebook.cells]


def test_a_lifecycle_is_its_picture(outputs):
    """
    A lifecycle that ends a cell is shown as the picture that ``draw`` gives, as wide as a notebook.
    """
    picture = ET.fromstring(outputs[0]["image/svg+xml"])  # noqa: S314  our own

    assert "svg" in picture.tag
    assert float(picture.get("width")) <= 940
    assert "<Lifecycle 'run': 18 rows, 9 statuses>" == outputs[0]["text/plain"]


def test_a_report_is_a_table_of_findings(outputs):
    """
    A report is shown with its counts and findings.
    """
    shown = outputs[1]["text/html"]

    assert "1 run, 2 observations, 1 error, 0 warnings, 0 undecided runs" in shown
    assert "<td>RS103</td><td>error</td>" in shown


def test_a_survey_is_a_table_of_moves(outputs):
    """
    A survey is shown with its counts and how often each move was made.
    """
    assert "<td>queued</td><td>in_progress</td><td>1</td>" in outputs[2]["text/html"]


def test_texts_are_escaped_and_long_tables_cut():
    """
    No text of a log is markup, and of very many findings the first are shown.
    """
    finding = Finding("RS103", "error", HOSTILE, HOSTILE, "a", "b", HOSTILE, HOSTILE, 1)
    shown = Report((finding,) * 60, 1, 2)._repr_html_()
    moves = [Observation(s, HOSTILE, float(n)) for n, s in enumerate(("queued", HOSTILE))]

    assert "<script" not in shown + histories.survey(moves)._repr_html_()
    assert "&lt;script&gt;" in shown
    assert "<p>and 10 more</p>" in shown
    assert "table" not in check(["queued", "in_progress"])._repr_html_()


def test_a_survey_shows_how_long_moves_took():
    """
    Times that are known are shown as people read them.
    """
    timed = [Observation("queued", "a", 0.0), Observation("in_progress", "a", 90.0)]

    assert "<td>90 s</td>" in histories.survey(timed)._repr_html_()
    assert RUN._repr_svg_().startswith("<svg")


def test_what_is_not_known_is_an_empty_cell():
    """
    Findings without a file and moves without times have cells with nothing in them.
    """
    assert "<td></td>" in check(["queued", "completed"])._repr_html_()
    assert "<td></td><td></td>" in histories.survey(["queued", "in_progress"])._repr_html_()
