"""Tests of the page in headless Chromium: every section, the console, keyboard, colors, paper."""

import base64
import json

import pytest

from quaterion_report import write_page
from quaterion_report.sections import SECTIONS

SYSTEMS = ("model", "untouched", "other")


@pytest.fixture(scope="module", params=["texts", "images", "markup", "alone"])
def page(request, examples, tmp_path_factory):
    """Return the file of a page: of texts, of images, of hostile texts, of a model alone."""
    kind = request.param
    data = examples.page_data(
        systems=("model",) if kind == "alone" else SYSTEMS,
        images=kind == "images",
        text=examples.MARKUP + "{}" if kind == "markup" else "object {}",
    )
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(data, path)
    return path


@pytest.fixture
def shown(browser, examples, tmp_path):
    """Return the browser with a page of texts."""
    path = tmp_path / "report.html"
    write_page(examples.page_data(systems=SYSTEMS), path)
    browser.open(path)
    yield browser
    assert browser.complaints() == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_section_is_drawn_and_the_console_is_quiet(browser, page, width, dark):
    browser.open(page, width=width, dark=dark)
    heights = json.loads(browser.run(
        "JSON.stringify(Object.fromEntries([...document.querySelectorAll('main > section')]"
        ".map((section) => [section.id, section.getBoundingClientRect().height])))"
    ))  # fmt: skip
    assert list(heights) == [section.id for section in SECTIONS]
    assert min(heights.values()) > 80
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("document.title").endswith("Quaterion report")
    assert browser.complaints() == []
    assert browser.loaded() == [page.as_uri()]


def test_pictures_have_size_and_nothing_overflows_its_chart(shown):
    small = shown.run(
        "[...document.querySelectorAll('svg.chart, svg.interval, #cloud')]"
        ".filter((svg) => svg.getBoundingClientRect().width < 100).length"
    )
    assert small == 0
    outside = shown.run("""
        [...document.querySelectorAll('svg.chart')].flatMap((svg) => {
            const box = svg.getBoundingClientRect();
            return [...svg.querySelectorAll('path, rect, text')].filter((part) => {
                const b = part.getBoundingClientRect();
                return b.left < box.left - 3 || b.right > box.right + 3
                    || b.top < box.top - 3 || b.bottom > box.bottom + 3;
            }).map((part) => part.outerHTML.slice(0, 80));
        })
    """)
    assert outside == []


def luminance(color):
    channels = [int(part) / 255 for part in color.removeprefix("rgb(").rstrip(")").split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(
    "selector", ["p", "h1", ".caption", "nav a", "td.good b", ".badge.lost", ".badge.won", "#theme"]
)
def test_text_is_readable(browser, examples, tmp_path, selector, dark):
    """The contrast is at least 4.5 to 1, as WCAG 2.2 (1.4.3) asks for."""
    path = tmp_path / "report.html"
    write_page(examples.page_data(systems=SYSTEMS), path)
    browser.open(path, dark=dark)
    ink = browser.run(f"getComputedStyle(document.querySelector({selector!r})).color")
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    darker, lighter = sorted([luminance(ink), luminance(paper)])
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5
    assert (luminance(paper) < 0.1) == dark


def test_the_switch_changes_the_colors(shown):
    paper = "getComputedStyle(document.body).backgroundColor"
    light = shown.run(paper)
    shown.run("document.querySelector('#theme').focus()")
    shown.press("Enter")
    dark = shown.run(paper)
    assert dark != light
    assert shown.run("document.querySelector('#theme').innerText") == "Light"
    shown.press("Enter")
    assert shown.run(paper) == light


def test_everything_that_reacts_is_reached_by_tab(shown):
    seen = []
    for _ in range(200):
        shown.press("Tab")
        seen.append(shown.run("document.activeElement.id || document.activeElement.tagName"))
    assert {"theme", "cloud", "threshold-input", "unfold"} <= set(seen)
    assert seen.count("A") >= len(SECTIONS)
    assert "SUMMARY" in seen


def test_the_map_is_read_by_arrow_keys(shown):
    shown.run("document.querySelector('#cloud').focus()")
    told = []
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):
        shown.press(key)
        told.append(shown.run("document.querySelector('#inspector').innerText"))
    assert all(text.startswith("object ") for text in told)
    assert len(set(told)) >= 3


def test_the_map_shows_what_the_pointer_is_at(shown, examples):
    system = examples.page_data(systems=SYSTEMS).systems[0]
    shown.run(
        "document.querySelector('#cloud').scrollIntoView({block: 'center', behavior: 'instant'})"
    )
    shown.move_to(*shown.run(
        "(() => { const m = document.querySelector('#cloud').getScreenCTM();"
        f" return [m.a * {system.x[7]} + m.e, m.d * {system.y[7]} + m.f]; }})()"
    ))  # fmt: skip
    shown.wait_for("!document.querySelector('#tip').hidden")
    assert "object" in shown.run("document.querySelector('#tip').innerText")


def test_a_group_and_another_model_can_be_chosen_on_the_map(shown):
    shown.run("document.querySelector('#groups button').click()")
    assert shown.run("document.querySelector('#chosen-group').getAttribute('d').length") > 10
    assert shown.run("document.querySelector('#groups button').ariaPressed") == "true"
    before = shown.run("document.querySelector('#points path').getAttribute('d')")
    shown.run("document.querySelector('#map-systems input[value=untouched]').click()")
    assert shown.run("document.querySelector('#points path').getAttribute('d')") != before


def test_charts_are_read_by_arrow_keys(shown):
    shown.run("document.querySelector('#recall svg.chart').focus()")
    shown.press("ArrowRight", "ArrowRight")
    text = shown.run("document.querySelector('#recall .readout').innerText")
    assert "k = 2" in text
    assert "This model" in text
    shown.press("Escape")
    assert shown.run("document.querySelector('#recall .readout').hidden")


def test_the_threshold_tells_its_error_rates(shown):
    shown.run("document.querySelector('#threshold-input').focus()")
    before = shown.run("document.querySelector('#threshold output').innerText")
    shown.press("ArrowLeft")
    after = shown.run("document.querySelector('#threshold output').innerText")
    assert before != after
    assert "of the matching pairs are missed" in after


def test_the_gallery_is_filtered_by_outcome_and_text(shown):
    visible = "[...document.querySelectorAll('details.query')].filter((q) => !q.hidden).length"
    everything = shown.run(visible)
    shown.run("document.querySelector('#filters [data-outcome=lost]').click()")
    assert 0 < shown.run(visible) < everything
    shown.run(
        "const s = document.querySelector('#filters input'); s.value = 'no such text';"
        "s.dispatchEvent(new Event('input'))"
    )
    assert shown.run(visible) == 0
    assert not shown.run("document.querySelector('#no-queries').hidden")


def test_paper_has_the_whole_gallery_and_no_controls(shown):
    shown.send("Emulation.setEmulatedMedia", media="print")
    assert shown.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert shown.run("getComputedStyle(document.querySelector('#filters')).display") == "none"
    closed = "document.querySelector('details.query:not([open]) .list li')"
    assert shown.run(f"{closed}.getBoundingClientRect().height") > 5
    pdf = base64.b64decode(shown.send("Page.printToPDF", printBackground=True)["data"])
    assert pdf.startswith(b"%PDF")


def test_data_cannot_run_scripts_even_if_they_were_not_escaped(browser, examples, tmp_path):
    path = tmp_path / "report.html"
    write_page(examples.page_data(), path)
    planted = path.read_text().replace("<h1>", "<script>document.title = 'owned'</script><h1>", 1)
    path.write_text(planted)
    browser.open(path)
    assert browser.run("document.title") != "owned"
    assert any("Content Security Policy" in text for text in browser.complaints())
