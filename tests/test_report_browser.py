"""
The page of evidence in a real browser: what it does, and what nothing can make it do.
"""

import csv
import io
import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from hostile import hostile_lifecycle, hostile_survey
from runstate import RUN, Observation, histories
from runstate.diagrams import inline_colours
from runstate.presets import PRESETS
from runstate.report import render_report
from servers import missing
from test_report import HISTORY, many, run

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    """
    Return the machine's own Chromium.
    """
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        missing(f"one of {', '.join(NAMES)}")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, tmp_path):
    """
    Return what opens a page; in the end nothing may have been said, asked for or popped up.
    """
    contexts, trouble = [], []

    def opens(content, **options):
        file = tmp_path / f"report_{len(contexts)}.html"
        file.write_bytes(content)
        context = browser.new_context(**{"viewport": WIDE, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda said: trouble.append(f"console: {said.text}"))
        page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (trouble.append("dialog"), dialog.dismiss()))
        page.on("popup", lambda _: trouble.append("popup"))
        context.on(
            "request",
            lambda asked: (
                asked.url.split("#")[0] == file.as_uri() or trouble.append(f"request: {asked.url}")
            ),
        )
        page.goto(file.as_uri())
        return page

    yield opens
    for context in contexts:
        context.close()
    assert [] == trouble


def page_of(history, observed="complete"):
    """
    Return the page on *history*.
    """
    return render_report(
        histories.survey(history, observed=observed, samples=100), observed=observed
    )


def broken(count):
    """
    Return what was seen of runs with a finding or two each.
    """
    return [
        each
        for n in range(count)
        for each in run(
            "queued",
            *(("completed", "failed") if n % 2 else ("failed", "weird")),
            run_id=f"run_{n}",
        )
    ]


def texts(page, selector):
    """
    Return the texts of all that *selector* finds.
    """
    return page.locator(selector).all_inner_texts()


def overflow(page):
    """
    Return by how much the page is wider than its window.
    """
    return page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


# -- findings ------------------------------------------------------------------------


def test_findings_are_filtered(opened):
    """
    Text, code and severity narrow the list down, which is told; clearing brings all back.
    """
    page = opened(page_of(broken(8)))
    told = page.locator("#told")
    rows = page.locator("#list tbody tr")

    assert "12 findings" == told.inner_text()
    page.get_by_label("Text").fill("WEIRD log.jsonl")
    assert ("4 findings match, of 12", 4) == (told.inner_text(), rows.count())
    page.get_by_label("Code").select_option("RS101")
    assert ("4 findings match, of 12", 4) == (told.inner_text(), rows.count())
    page.get_by_label("Severity").select_option("warning")
    assert ("0 findings match, of 12", 0) == (told.inner_text(), rows.count())
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function("document.querySelector('#told').textContent === '12 findings'")
    assert 12 == rows.count()
    assert "polite" == told.get_attribute("aria-live")


def test_findings_are_filtered_and_sorted_by_keyboard(opened):
    """
    Everything can be reached with the tabulator, and used with enter.
    """
    page = opened(page_of(broken(8)))
    page.get_by_label("Text").focus()
    page.keyboard.type("run_3")
    page.keyboard.press("Enter")
    assert {"run_3"} == {*texts(page, "#list tbody td:nth-child(3)")}
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('th') !== null"):
            break
    page.keyboard.press("Enter")
    assert "ascending" == page.locator("#list th").first.get_attribute("aria-sort")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert "solid" == outline


def test_findings_are_sorted(opened):
    """
    A head sorts up, then down, then as it was; numbers within names count as numbers.
    """
    page = opened(page_of(broken(12)))
    before = texts(page, "#list tbody td:nth-child(3)")
    head = page.get_by_role("button", name="Run", exact=True)
    column = page.locator("#list th").nth(2)
    states = []
    for _ in range(3):
        head.click()
        states.append(column.get_attribute("aria-sort"))
        names = texts(page, "#list tbody td:nth-child(3)")
        numbers = [int(name.removeprefix("run_")) for name in names]
        expected = {"ascending": sorted(numbers), "descending": sorted(numbers, reverse=True)}
        assert expected.get(states[-1], numbers) == numbers

    assert ["ascending", "descending", "none"] == states
    assert before == texts(page, "#list tbody td:nth-child(3)")


def test_many_findings_come_by_and_by(opened):
    """
    Of 10,000 findings a page is drawn, and more when asked; the filter looks at all.
    """
    page = opened(render_report(many(10_000, 2_000)))
    rows = page.locator("#list tbody tr")

    assert "10,000 findings; 50 shown" == page.locator("#told").inner_text()
    page.get_by_role("button", name="Show 500 more").click()
    assert 550 == rows.count()
    page.get_by_label("Text").fill(f"run_{9_999:024x}")
    assert 1 == rows.count()
    rows.locator("td:nth-child(3) a").click()
    assert f"run_{9_999:024x}: its timeline is not among those kept on this page" in (
        page.locator("#picked").inner_text()
    )


# -- runs ----------------------------------------------------------------------------


def way(page):
    """
    Return which boxes and arrows of a run's way are lit, and what its badges say.
    """
    lit = page.locator("#way svg:visible .onway").evaluate_all(
        "all => all.map(each => each.dataset.key)"
    )
    badges = page.locator("#way svg:visible .step text").evaluate_all(
        "all => all.map(e => e.textContent)"
    )

    return sorted(lit), badges


def test_a_finding_leads_to_its_run(opened):
    """
    A click on its run shows the timeline, and the way that it took, step by step.
    """
    page = opened(page_of(HISTORY))
    page.get_by_role("link", name="run_2").first.click()

    assert page.url.endswith("#r0")
    page.wait_for_function("document.activeElement.id === 'run-heading'")
    assert "run_2: 3 steps, 2 findings" == page.locator("#picked").inner_text()
    assert ["queued", "completed", "failed"] == texts(page, "#steps tbody td:nth-child(2)")
    assert ["+1 s", "+2 s"] == texts(page, "#steps tbody td:nth-child(4)")[1:]
    assert "2001-09-09 01:46:40.000" == texts(page, "#steps tbody td:nth-child(3)")[0]
    assert ["log.jsonl:1", "log.jsonl:2", "log.jsonl:3"] == texts(page, "#steps td:nth-child(6)")
    assert ["", "illegal", "illegal"] == texts(page, "#steps td:nth-child(7)")
    assert 2 == page.locator("#steps .said li").count()
    assert 3 == page.locator("#line rect").count()
    assert 2 == page.locator("#line .flag").count()
    lit, badges = way(page)
    statuses = [str(status) for status in RUN.statuses]
    boxes = sorted(f"b{statuses.index(s)}" for s in ("queued", "completed", "failed"))
    assert boxes == [key for key in lit if key.startswith("b")]
    assert 2 == len([key for key in lit if key.startswith("a")])
    assert ["1", "2"] == sorted(badges)


def test_a_run_is_picked(opened):
    """
    By its name, by keys, by buttons, and by searching.
    """
    history = [*HISTORY, *run("queued", "in_progress", run_id="other")]
    page = opened(page_of(history))
    pick, picked = page.get_by_label("Run", exact=True), page.locator("#picked")
    options = texts(page, "#pick option")

    assert "run_2 · failed · 2 findings" == options[0]
    assert ["other · in_progress", "run_1 · completed"] == sorted(options[1:])
    pick.focus()
    page.keyboard.press("ArrowDown")
    assert picked.inner_text().startswith(options[1].split(" ")[0])
    page.get_by_role("button", name="Next").click()
    assert picked.inner_text().startswith(options[2].split(" ")[0])
    assert page.get_by_role("button", name="Next").is_disabled()
    page.get_by_role("button", name="Previous").click()
    assert picked.inner_text().startswith(options[1].split(" ")[0])
    page.get_by_label("Search").fill("OTHER")
    assert "other: 2 steps, nothing wrong with it" == picked.inner_text()
    assert ["queued", "in_progress"] == texts(page, "#steps tbody td:nth-child(2)")
    assert ["1"] == way(page)[1]


def test_a_link_to_a_run_is_followed(opened):
    """
    An address that names a run opens on it.
    """
    page = opened(page_of(HISTORY))
    page.goto(f"{page.url.split('#')[0]}#r1")
    page.reload()

    assert "run_1: 3 steps, nothing wrong with it" == page.locator("#picked").inner_text()


@pytest.mark.parametrize(
    ("observed", "badges", "jumps", "remark"),
    [("polled", 1, 1, "moves between were not seen"), ("unordered", 0, 0, "")],
)
def test_a_way_is_as_far_known_as_it_was_seen(opened, observed, badges, jumps, remark):
    """
    A gap between polls is drawn as one; what came in no order has no way.
    """
    page = opened(page_of(run("queued", "completed"), observed))

    assert badges == len(way(page)[1])
    assert jumps == page.locator("#way svg:visible .jump").count()
    assert remark == texts(page, "#steps td:nth-child(7)")[-1]


def test_recorded_moves_and_missing_times(opened):
    """
    A move that was recorded begins where it says; steps without times stand in order.
    """
    moves = [
        Observation("in_progress", "a", source="queued", seq=1),
        Observation("queued", "a", source="requires_action", seq=3),
    ]
    page = opened(page_of(moves, "polled"))

    assert "recorded as from requires_action" == texts(page, "#steps td:nth-child(7)")[1]
    assert ["1", "2", "3"] == sorted(way(page)[1])
    assert "in order; not every time is known" in page.locator("#line").inner_html()


# -- looks ---------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_that_of_the_system_until_it_is_changed(opened, scheme):
    """
    The button switches the theme, and its label names the one that a click brings.
    """
    page = opened(page_of(HISTORY), color_scheme=scheme)
    button = page.locator("#theme")
    seen = []
    for _ in range(3):
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        seen.append((paper, button.inner_text()))
        button.click()

    light, dark = ("rgb(255, 255, 255)", "Dark theme"), ("rgb(13, 21, 32)", "Light theme")
    both = [light, dark] if scheme == "light" else [dark, light]
    assert [*both, both[0]] == seen


def test_nothing_is_wider_than_a_phone(opened):
    """
    The page never scrolls sideways; its tables and pictures do, in frames that keys reach.
    """
    lifecycle = hostile_lifecycle()
    hostile = render_report(hostile_survey(lifecycle), lifecycle)
    for content in (page_of(broken(8)), render_report(many(100, 20)), hostile):
        page = opened(content, viewport=PHONE)
        reached = page.locator(".wide[tabindex='0'][role=region][aria-label]")
        assert 0 == overflow(page)
        assert page.locator(".wide").count() == reached.count()


def test_the_address_has_the_state(opened):
    """
    Filters and the run are in the address; the page opened there looks the same.
    """
    content = page_of(broken(8))
    page = opened(content)
    page.locator("#list tbody a").nth(2).click()
    page.get_by_label("Code").select_option("RS105")
    page.get_by_label("Text", exact=True).fill("completed; -> f=")
    page.get_by_label("Text", exact=True).fill("completed")
    told, address = page.locator("#told").inner_text(), page.evaluate("location.hash")
    picked = page.locator("#pick").input_value()
    again = opened(content)
    again.goto(again.url + address)
    again.reload()

    assert f"#r{picked};words=completed;code=RS105" == address
    assert told == again.locator("#told").inner_text()
    assert picked == again.locator("#pick").input_value()
    again.get_by_role("button", name="Clear").click()
    again.wait_for_function("location.hash.length < 6")
    assert f"#r{picked}" == again.evaluate("location.hash")


def test_an_address_of_nonsense_harms_nothing(opened):
    """
    What is no state is passed over.
    """
    for odd in ("#words=%E0%A4%A;code=nope", "#r99999", "#;=;;find", "#code=<b>"):
        page = opened(page_of(broken(8)))
        page.goto(page.url + odd)
        page.reload()

        assert page.locator("#told").is_visible()


def test_a_search_says_of_which_runs_it_knows(opened):
    """
    Where the page keeps some of many runs, a search without a match says how to get another.
    """
    history = [each for n in range(200) for each in run("queued", run_id=f"run_{n}")]
    page = opened(page_of(history))
    page.get_by_label("Search").fill("job_17")
    said = page.locator("#picked").inner_text()

    assert said.startswith("0 runs match. This page has the timelines of 100 of 200 runs;")
    assert "--keep RUN_ID" in said
    again = opened(page_of(history))
    again.goto(again.url + "#find=job_17")
    again.reload()
    assert said == again.locator("#picked").inner_text()


def test_what_is_shown_is_saved_as_csv(opened):
    """
    The findings that the filter leaves are saved, and no cell is a formula.
    """
    history = [
        *broken(4),
        *run("queued", "completed", run_id="=1+1"),
        *run("queued", "completed", run_id='a "b"'),
    ]
    page = opened(page_of(history))
    page.get_by_label("Code").select_option("RS103")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV").click()
    text = Path(saved.value.path()).read_text("utf-8")
    rows = [*csv.reader(io.StringIO(text))]

    assert "findings.csv" == saved.value.suggested_filename
    assert ["code", "severity", "run", "message", "where", "hint"] == rows[0]
    assert {"RS103"} == {row[0] for row in rows[1:]}
    assert {"'=1+1", 'a "b"'} <= {row[2] for row in rows[1:]}
    assert page.locator("#list tbody tr").count() == len(rows) - 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_machine_is_whole_in_every_window(opened, scheme):
    """
    One picture is shown, the widest that fits: no status and no illegal arrow is cut, no text small.
    """
    for content in (page_of(broken(8)), render_report(many(100, 20))):
        page = opened(content, color_scheme=scheme)
        for width in (1920, 1440, 1280, 1024, 830, 390):
            page.set_viewport_size({"width": width, "height": 900})
            for frame in ("#drawn", "#way"):
                shown = page.locator(f"{frame} svg:visible")
                assert 1 == shown.count()
                room, wide, size = shown.evaluate(
                    "svg => [svg.closest('.picture').clientWidth, svg.closest('.picture').scrollWidth,"
                    " 11.5 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width]"
                )
                assert room == wide
                assert size >= 11


def test_no_control_is_narrower_than_what_it_shows(opened):
    """
    A date with its time and a filter's choice can be read whole, also on a phone.
    """
    page = opened(page_of(broken(8)))
    for width in (1280, 830, 640, 500, 390, 360):
        page.set_viewport_size({"width": width, "height": 900})
        narrow = page.locator("input[type=datetime-local]:visible").evaluate_all(
            """all => all.map((e) => {
              const shown = e.getBoundingClientRect().width;
              e.style.cssText = "width:max-content;max-width:none;justify-self:start";
              const whole = e.getBoundingClientRect().width;
              e.style.cssText = "";
              return [e.id, shown, whole];
            }).filter(([, shown, whole]) => shown < whole)"""
        )

        assert [] == narrow, width
        assert 0 == overflow(page)


CROWDED = """() => {
  const found = [];
  const shown = (e) => e.getClientRects().length > 0;
  const all = (select) => [...document.querySelectorAll(select)].filter(shown);
  for (const e of all(".wide:not(.picture)"))
    if (e.scrollWidth > e.clientWidth + 1) found.push(`sideways: ${e.getAttribute("aria-label")}`);
  for (const e of all("td, dd, .keys li, figcaption, .controls label"))
    if (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline")
      found.push(`cut: ${e.textContent.slice(0, 40)}`);
  for (const e of all("#list td:nth-child(3) a, #stuck td:first-child a, #list summary, .figures dd"))
    if (e.getBoundingClientRect().height > 2 * parseFloat(getComputedStyle(e).fontSize) * 1.3)
      found.push(`broken: ${e.textContent}`);
  for (const svg of all(".chart svg")) {
    const frame = svg.getBoundingClientRect();
    const scale = frame.width / svg.viewBox.baseVal.width;
    const texts = [...svg.querySelectorAll("text")];
    const rects = texts.map((e) => e.getBoundingClientRect());
    texts.forEach((e, at) => {
      const size = parseFloat(getComputedStyle(e).fontSize) * scale;
      if (size < 10.8 || size > 15) found.push(`${size} px: ${e.textContent}`);
      const r = rects[at];
      if (r.left < frame.left - 1 || r.right > frame.right + 1) found.push(`outside: ${e.textContent}`);
      rects.slice(at + 1).forEach((o, by) => {
        if (r.left < o.right && o.left < r.right && r.top + 2 < o.bottom && o.top + 2 < r.bottom)
          found.push(`${e.textContent} on ${texts[at + 1 + by].textContent}`);
      });
    });
  }
  return [...new Set(found)].slice(0, 9);
}"""
"""What is cut, broken, too small, too large or on top of something else."""


def test_nothing_is_cut_or_crowded_in_any_window(opened):
    """
    With ids and names as services have them, every cell is whole at each width, and every chart legible.
    """
    names = {f"run_{n:02}": f"run_{n * 7919**5 % 16**24:024x}" for n in range(60)}
    history = [
        each._replace(run_id=names[each.run_id], file="/data/exports/2026/runs.csv", line=each.line * 97)
        for each in shop()
    ]  # fmt: skip
    earlier = histories.survey(shop(before=True), samples=60)
    page = opened(render_report(histories.survey(history, samples=60), before=earlier))
    found = {}
    for width in (1920, 1440, 1280, 1024, 830, 390):
        page.set_viewport_size({"width": width, "height": 900})
        found[width] = page.evaluate(CROWDED)

    assert {} == {width: each for width, each in found.items() if each}


def test_a_crowded_machine_leaves_out_what_is_rare_and_says_so(opened):
    """
    Of very many moves the rare ones are in the table alone; a run that made one is still drawn whole.
    """
    lifecycle = PRESETS["gitlab-pipeline"]
    rows = [*lifecycle]
    paths = [(str(row.source), str(row.target)) for row in rows]
    history = [
        each
        for n, path in enumerate(paths)
        for copy in range(1 + (n % 3 > 0))
        for each in run(*path, run_id=f"run_{n}_{copy}")
    ]
    page = opened(render_report(histories.survey(history, lifecycle, samples=400), lifecycle))
    drawn = page.locator("#drawn svg:visible .arrow").count()
    hidden = len({*paths}) - drawn + len(lifecycle.reopenings)
    legend = page.locator("#drawn svg:visible .legend").all_text_contents()

    assert 28 <= hidden
    assert f"{hidden} moves observed fewer than 2 times, not drawn" == legend[-1]
    assert len({*paths}) == page.locator("#moves tbody tr").count()
    page.evaluate("document.querySelector('#find').value = 'run_0_0'")
    page.get_by_label("Search").dispatch_event("input")
    assert ["1"] == way(page)[1]


def test_on_paper_there_are_all_sections_and_no_controls(opened):
    """
    Print hides what cannot be used there, and is light.
    """
    page = opened(page_of(HISTORY), color_scheme="dark")
    shown = "all => all.filter(each => each.getClientRects().length > 0).length"
    sections = page.locator("main > section").count()
    page.emulate_media(media="print")

    assert sections == page.locator("main > section").evaluate_all(shown) == 9
    assert 0 == page.locator("form, nav, #theme, .more").evaluate_all(shown)
    assert 3 == page.locator("#steps tbody tr").evaluate_all(shown)
    assert "rgb(23, 33, 43)" == page.evaluate("getComputedStyle(document.body).color")


def test_without_a_script_all_but_filter_and_timeline_is_there(opened):
    """
    Where scripts are off, every finding, move, time and end is shown, and no dead control.
    """
    page = opened(page_of(broken(60)), java_script_enabled=False)

    assert 90 == page.locator("#list tbody tr").count()
    assert page.locator(".hints").is_visible()
    assert page.get_by_text("Timelines need JavaScript").is_visible()
    assert page.locator("figure.chart svg").first.is_visible()
    for control in ("#theme", "#words", "#code", "#pick", "#way", "form"):
        assert not page.locator(control).first.is_visible()


def test_it_is_made_for_ears_too(opened):
    """
    Landmarks, headings in order, heads with scope, controls with names, pictures with titles.
    """
    page = opened(page_of(broken(8)))
    for role in ("banner", "navigation", "main", "contentinfo"):
        assert 1 == page.get_by_role(role).count(), role
    levels = page.locator("h1,h2,h3").evaluate_all("all => all.map(each => +each.tagName[1])")
    assert 1 == levels[0] == levels.count(1)
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert 0 == page.locator("th:not([scope])").count()
    assert 0 == page.locator("table:not(:has(> caption))").count()
    unnamed = """all => all.filter(each => !each.labels?.length && !each.textContent.trim()
        && !each.getAttribute('aria-label')).length"""
    assert 0 == page.locator("input:not([type=hidden]),select,button").evaluate_all(unnamed)
    pictures = "svg[role]:not(:has(> title)), svg[role]:not(:has(> desc))"
    assert 0 == page.locator(pictures).count()
    assert (
        0 == page.locator("svg:not([role=img]):not([role=group]):not([aria-hidden=true])").count()
    )
    ids = page.locator("[id]").evaluate_all("all => all.map(each => each.id)")
    assert len(ids) == len({*ids})
    assert "en" == page.evaluate("document.documentElement.lang")


def test_who_wants_no_motion_gets_none(opened):
    """
    Links jump instead of gliding where motion is to be reduced, and nothing else moves.
    """
    page = opened(page_of(HISTORY), reduced_motion="reduce")

    assert "auto" == page.evaluate("getComputedStyle(document.documentElement).scrollBehavior")
    assert 0 == page.evaluate("document.getAnimations().length")


def luminance(colour):
    """
    Return how bright a colour is, by WCAG 2.
    """
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)

    return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        *((ink, "paper") for ink in ("ink", "soft", "path", "illegal", "faint-ink")),
        ("on-path", "path"),
        ("on-path", "illegal"),
        ("illegal", "illegal-box"),
        ("ink", "box"),
    ],
)
def test_text_can_be_read(ink, paper, theme):
    """
    Text is at least 4.5 times as bright as what it is on, or the other way round.
    """
    declared = inline_colours(dark=theme == "dark")
    colours = dict(each.removeprefix("--").split(":") for each in declared.split(";"))
    dim, bright = sorted(luminance(colours[name]) for name in (ink, paper))

    assert 4.5 <= (bright + 0.05) / (dim + 0.05)


# -- hostile texts ---------------------------------------------------------------------

ALIEN = """() => {
  const all = [...document.querySelectorAll('*')];
  const address = /^#[a-z]+\\d*$/;
  return {
    scripts: document.scripts.length,
    handlers: all.filter(e => e.getAttributeNames().some(n => /^on/i.test(n))).length,
    styled: all.filter(e => e.hasAttribute('style')).length,
    addresses: all.flatMap(e => ['href', 'src', 'action', 'srcdoc', 'xlink:href', 'formaction']
      .map(n => e.getAttribute(n)).filter(v => v !== null && !address.test(v))),
    frames: document.querySelectorAll('iframe,object,embed,img,link,base,template,math').length,
    title: document.title,
  };
}"""


@pytest.mark.parametrize("observed", ["complete", "polled", "unordered"])
def test_nothing_hostile_comes_to_life(opened, observed):
    """
    With every run looked at, every finding drawn and filtered, there is still text alone.
    """
    lifecycle = hostile_lifecycle()
    page = opened(render_report(hostile_survey(lifecycle, observed), lifecycle, observed=observed))
    expected = {
        "scripts": 2, "handlers": 0, "styled": 0, "addresses": [], "frames": 0,
        "title": page.title(),
    }  # fmt: skip
    more = page.locator(".more")
    while more.is_visible():
        more.click()
    assert "errors in" in page.title()
    assert expected == page.evaluate(ALIEN)
    runs = page.locator("#pick option").count()
    assert runs > 100
    for place in range(0, runs, 5):
        page.evaluate(f"location.hash = '#r{place}'")
        if place % 20 == 0:
            page.wait_for_function(f"document.querySelector('#pick').value === '{place}'")
            assert expected == page.evaluate(ALIEN)
    for words in ("<script>", "onerror", "\u202e", "${", "x" * 1_000):
        page.get_by_label("Text").fill(words)
        page.get_by_label("Search").fill(words)
    assert expected == page.evaluate(ALIEN)


def test_what_gets_in_all_the_same_is_stopped(browser, tmp_path):
    """
    Even markup that came to be in the page could neither run nor fetch, by its policy.
    """
    alien = (
        b"<img src=x onerror=alert(1)><script>document.title='owned'</script><b style=color:red>"
    )
    file = tmp_path / "report.html"
    file.write_bytes(page_of(HISTORY).replace(b"</main>", alien + b"</main>"))
    refused, dialogs = [], []
    with browser.new_context() as context:
        page = context.new_page()
        page.on("console", lambda said: refused.append(said.text))
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.goto(file.as_uri())
        title = page.title()

    assert "2 errors in 2 runs: lifecycle run" == title
    assert [] == dialogs
    assert len(refused) >= 3
    assert all("Content Security Policy" in each for each in refused)


# -- one filter for everything ---------------------------------------------------------


def answers(page):
    """
    Return what the page says of what is shown, and its address.
    """
    return page.locator("#left").inner_text(), page.evaluate("decodeURIComponent(location.hash)")


LOG = [
    *run("queued", "in_progress", "completed", run_id="a"),
    *run("queued", "in_progress", "failed", run_id="b"),
    *run("queued", "completed", "failed", run_id="c"),
    *(each._replace(at=each.at + 50_000) for each in run("queued", "in_progress", run_id="d")),
    *(each._replace(at=each.at + 90_000) for each in run("queued", "completed", run_id="e")),
]


CLICKS = {
    "#drawn svg:visible .arrow.illegal >> nth=0": ("move", "1 finding, 1 of the 5 runs"),
    "#moves tr:has-text('illegal') button >> nth=0": ("move", "2 findings, 2 of the 5 runs"),
    "#ways tr:has-text('in_progress'):has-text('failed') button": ("path", "0 findings, 1 of"),
    "#rules tr:has-text('RS105') button": ("code", "1 finding, 1 of the 5 runs"),
    "#last tr:has-text('failed') button": ("end", "2 findings, 2 of the 5 runs"),
    "#waiting tr button": ("end", "0 findings, 1 of the 5 runs"),
    "#overview [data-n] >> nth=0": ("from", "3 runs began then, 3 ended, 2 findings, 3 of"),
}
"""What can be clicked, the filter that it sets, and what the page says then."""


@pytest.mark.parametrize("keys", [False, True])
def test_a_click_filters_everything_else(opened, keys):
    """
    A part of a picture and a row filter findings, runs and ways; enter does the same, twice undoes.
    """
    page = opened(page_of(LOG))
    seen = {}
    for select in CLICKS:
        part = page.locator(select)
        for _ in range(2):
            if keys:
                part.focus()
                page.keyboard.press("Enter")
            else:
                part.dispatch_event("click")
            seen.setdefault(select, (*answers(page), page.locator("[aria-pressed=true]").count()))
        assert "" == page.locator("#left").inner_text()
        assert 5 == page.locator("#pick option").count()

    for select, (name, said) in CLICKS.items():
        shown, address, pressed = seen[select]
        assert said in shown, select
        assert f"{name}=" in address
        assert pressed >= 1


def test_an_address_with_filters_opens_filtered(opened):
    """
    The page opened at an address shows what it showed where the address was taken.
    """
    page = opened(page_of(LOG))
    page.locator("#drawn svg:visible .arrow.illegal >> nth=0").dispatch_event("click")
    page.locator("#overview [data-n] >> nth=0").dispatch_event("click")
    again = opened(page_of(LOG))
    again.goto(again.url + page.evaluate("location.hash"))
    again.reload()

    assert answers(page) == answers(again)
    for select in ("#pick option", "#list tbody tr", "#chosen button"):
        assert texts(page, select) == texts(again, select)


def test_filters_are_chips_that_can_be_removed(opened):
    """
    Every filter that is set is named at the foot of the window; a click removes it, or all of them.
    """
    page = opened(page_of(LOG))
    page.locator("#end").select_option("failed")
    page.get_by_label("Code").select_option("RS103")
    page.locator("#from").fill("2001-09-09T01:00:00")
    chips = page.locator("#chosen button")

    assert ["Last status: failed ✕", "From: 2001-09-09 01:00 ✕", "Code: RS103 ✕"] == (
        chips.all_inner_texts()
    )
    assert "1 finding, 1 of the 5 runs kept here" in page.locator("#left").inner_text()
    chips.nth(1).click()
    assert 2 == chips.count()
    page.get_by_role("button", name="Show everything").click()
    assert not page.locator("#chips").is_visible()
    assert "3 findings" == page.locator("#told").inner_text()


def test_the_parts_of_a_picture_are_one_stop_of_the_tabulator(opened):
    """
    Arrow keys lead from one arrow of the machine to the next.
    """
    page = opened(page_of(LOG))
    arrows = page.locator("#drawn svg:visible [role=button]")

    assert 1 == page.locator("#drawn svg:visible [role=button][tabindex='0']").count()
    arrows.first.focus()
    page.keyboard.press("ArrowRight")
    assert arrows.nth(1).evaluate("each => each === document.activeElement")
    page.keyboard.press(" ")
    assert "true" == arrows.nth(1).get_attribute("aria-pressed")


# -- ten questions of an operator ------------------------------------------------------


def shop(before=False):
    """
    Return a day of 60 runs: two are stuck, two go wrong in the evening, some take the tools' way.
    """
    ways = {
        0: ("queued", "in_progress", "completed"),
        1: ("queued", "in_progress", "requires_action", "queued", "in_progress", "completed"),
        2: ("queued", "in_progress", "failed"),
    }
    history = []
    for n in range(60):
        way = ("queued", "in_progress") if n in {10, 20} else ways[0 if n % 4 else 1 + n % 8 // 4]
        if n >= 58 and not before:
            way = ("queued", "completed", "failed")
        begins = 1_767_225_600 + n * 1_200  # 2026-01-01
        history += [
            Observation(status, f"run_{n:02}", begins + 7 * at + (900 if n == 33 and at > 1 else 0),
                        file="day.csv", line=10 * n + at + 1)
            for at, status in enumerate(way)
        ]  # fmt: skip
    return sorted(history, key=lambda each: each.at)


def row(page, table, *words):
    """
    Return the cells of the first row of *table* that holds all *words*.
    """
    rows = page.locator(f"{table} tbody tr").evaluate_all(
        "all => all.filter(r => !r.hidden).map(r => [...r.cells].map(c => c.textContent))"
    )

    return next(cells for cells in rows if all(any(w in cell for cell in cells) for w in words))


def test_ten_questions_of_an_operator(opened):
    """
    Each is answered on the first page that opens within two actions: a look, a click, a word.
    """
    day = histories.survey(shop(), samples=2_000)
    earlier = histories.survey(shop(before=True), samples=2_000)
    record = "run_58,failed,2026-01-01T19:20:14Z"
    page = opened(
        render_report(day, files=["day.csv"], before=earlier, records={("day.csv", 583): record})
    )
    everything = page.get_by_role("button", name="Show everything")
    told = page.locator("#left")

    # 1. Which runs are stuck, and for how long? None.
    assert ["run_10", "in_progress", "2026-01-01 03:20:07 UTC", "16 h"] == row(page, "#stuck")
    assert 2 == page.locator("#stuck tbody tr").count()
    # ... and what is the history of the first? One click.
    page.locator("#stuck a").first.click()
    assert "run_10: 2 steps, nothing wrong with it" == page.locator("#picked").inner_text()
    # 2. Since when are there illegal moves? None.
    assert "All findings are of the" in page.locator(".lead").inner_text() or (
        "The findings begin on 2026-01-01 19:" in page.locator(".lead").inner_text()
    )
    # 3. Which status takes longest at p95? None: a column of one table.
    p95 = {cells[0]: cells[4] for cells in page.locator("#times tbody tr").evaluate_all(
        "all => all.map(r => [...r.cells].map(c => c.textContent))")}  # fmt: skip
    assert {"queued", "in_progress", "requires_action", "completed"} == {*p95}
    # 4. How many runs took the tools' way? None.
    assert "8" == row(page, "#ways", "requires_action")[1]
    # ... and which? One click.
    page.locator("#ways tr:has-text('requires_action') button").click()
    assert "8 of the 60 runs kept here" in told.inner_text()
    assert 8 == page.locator("#pick option").count()
    everything.click()
    # 5. Show me run X: one word.
    page.get_by_label("Search").fill("run_33")
    assert "run_33: 3 steps, nothing wrong with it" == page.locator("#picked").inner_text()
    everything.click()
    # 6. Which code is commonest? None.
    codes = page.locator("#rules tbody tr").evaluate_all(
        "all => all.map(r => [r.cells[0].textContent, r.cells[2].textContent])"
    )
    assert {("RS103", "2"), ("RS105", "2")} == {*map(tuple, codes)}
    # 7. What became commoner since the other log? None.
    assert ["0.00", "3.33"] == row(page, "#compared", "RS103")[2:4]
    # 8. How many runs began and ended in an hour? One click on its bar.
    page.locator("#overview svg").first.locator("[data-n]").nth(5).dispatch_event("click")
    assert re.match(r"Shown: \d runs? began then, \d ended, 0 findings", told.inner_text())
    everything.click()
    # 9. Which runs failed? One choice.
    page.locator("#end").select_option("failed")
    assert told.inner_text().startswith("Shown: 4 findings, 8 of the 60 runs kept here")
    everything.click()
    # 10. Which runs made the commonest illegal move, and what does the log say? Two clicks.
    page.locator("#moves tr:has-text('illegal') button").first.click()
    page.locator("#list summary").first.click()
    assert [record] == texts(page, "#list pre")
    assert {"run_58", "run_59"} == {*texts(page, "#list tbody td:nth-child(3)")}
    # 11. How long do runs take from start to end? None.
    assert ["completed", "50"] == row(page, "#ended", "completed")[:2]


def test_a_finding_shows_its_raw_record(opened):
    """
    The place of a finding opens on the record as it stands in the file, as text.
    """
    survey = histories.survey(HISTORY, samples=10)
    record = '{"run_id": "run_2", "status": "<img src=x onerror=alert(1)>"}'
    page = opened(render_report(survey, records={("log.jsonl", 2): record}))
    summary = page.locator("#list summary")

    assert ["log.jsonl:2"] == summary.all_inner_texts()
    summary.focus()
    page.keyboard.press("Enter")
    assert [record] == texts(page, "#list pre")
