"""The search page in a browser."""

import pytest

from quaterion_core.serving import Index
from quaterion_serving.service.settings import ServiceSettings

RESULTS = "[...document.querySelectorAll('#results > li > .text')].map(e => e.textContent)"
STATUS = "document.getElementById('status').textContent"


@pytest.fixture
def page(browser, fruit_service):
    browser.open(f"{fruit_service}/")
    browser.wait_for("document.getElementById('about').textContent !== ''")
    return browser


def search(page, text):
    page.run(f"document.getElementById('query').value = {text!r}")
    page.run("document.getElementById('query').focus()")
    page.press("Enter")
    page.wait_for(f"/result|match/.test({STATUS})")


def test_a_text_is_searched(page, fruit):
    search(page, "bananas")
    assert page.run(RESULTS) == [hit.object for hit in fruit.search("bananas")]
    assert page.run("location.search") == "?q=bananas"
    assert page.run("document.getElementById('about').textContent") == "letters, 4 objects"
    assert page.complaints() == []


def test_everything_comes_from_the_service(page, fruit_service):
    search(page, "lemon")
    assert all(url.startswith(fruit_service) for url in page.loaded())


def test_a_field_of_a_result_filters(page):
    search(page, "bananas")
    page.run("document.querySelector('.chip').click()")
    page.wait_for(f"{RESULTS}.length === 2")
    assert set(page.run(RESULTS)) == {"banana", "lemon"}
    assert page.run("location.search") == "?q=bananas&where=colour%3D%22yellow%22"
    page.run("document.querySelector('#filters .chip').click()")
    page.wait_for(f"{RESULTS}.length === 4")


def test_a_filter_is_written(page):
    search(page, "bananas")
    page.run("document.getElementById('filter').value = 'colour!=yellow'")
    page.run("document.getElementById('filter').focus()")
    page.press("Enter")
    page.wait_for(f"{RESULTS}.length === 2")


def test_an_address_is_a_search(browser, fruit_service):
    browser.open(f"{fruit_service}/?q=cherry&where=colour%3Dred")
    browser.wait_for(f"{RESULTS}.length === 1")
    assert browser.run(RESULTS) == ["cherry"]


def test_keys_move_and_clear(page):
    search(page, "bananas")
    page.press("ArrowDown", "ArrowDown")
    assert (
        page.run("document.activeElement.querySelector('.text').textContent")
        == (page.run(RESULTS)[1])
    )
    page.press("Enter")
    assert page.run("document.activeElement.className") == "open"
    page.press("ArrowUp", "ArrowUp")
    assert page.run("document.activeElement.id") == "query"
    page.press("Escape")
    assert page.run(RESULTS) == []
    assert page.run("document.getElementById('query').value") == ""


def test_errors_are_told(page):
    search(page, "bananas")
    page.run("document.getElementById('query').value = 'refuse'")
    page.press("Enter")
    page.wait_for("document.getElementById('status').classList.contains('bad')")
    assert "The model cannot embed the input" in page.run(STATUS)
    assert page.run(RESULTS) == []


def test_objects_are_texts_not_markup(browser, serving, letters, tmp_path):
    text = "<img src=x onerror=alert(1)> <b>bold</b>"
    with Index.create(tmp_path / "index", letters) as index:
        index.add([text], payloads=[{"<i>field</i>": "<script>alert(1)</script>"}])
        browser.open(serving(letters, index) + "/?q=bold")
        browser.wait_for(f"{RESULTS}.length === 1")
    assert browser.run(RESULTS) == [text]
    assert (
        browser.run("document.querySelectorAll('#results img, #results b, #results i').length") == 0
    )
    assert browser.complaints() == []


def test_an_image_is_searched(browser, serving, colours, gallery, pictures):
    browser.open(serving(colours, gallery))
    browser.wait_for("!document.getElementById('upload').hidden")
    assert browser.run("document.getElementById('query').disabled")
    document = browser.send("DOM.getDocument")["root"]["nodeId"]
    field = browser.send("DOM.querySelector", nodeId=document, selector="#file")["nodeId"]
    files = [str(pictures / "green.png")]
    browser.send("DOM.setFileInputFiles", nodeId=field, files=files)
    browser.wait_for("document.querySelectorAll('#results img').length === 4")
    assert browser.run(RESULTS)[0].endswith("green.png")
    loaded = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
    browser.wait_for(loaded)
    assert browser.complaints() == []


def test_the_key_is_asked_for(browser, serving, letters, fruit):
    address = serving(letters, fruit, ServiceSettings(api_key="the key"))
    browser.open(f"{address}/?q=lemon")
    browser.wait_for("!document.getElementById('key').hidden")
    browser.run("document.getElementById('secret').value = 'the key'")
    browser.run("document.getElementById('secret').focus()")
    browser.press("Enter")
    browser.wait_for(f"{RESULTS}.length === 4")
    assert "key" not in browser.run("location.href.replace('key', '', 1)").split("?")[1]


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_the_window(browser, fruit_service, width, dark):
    browser.open(f"{fruit_service}/?q=banana", width=width, dark=dark)
    browser.wait_for(f"{RESULTS}.length === 4")
    assert browser.run("document.documentElement.scrollWidth") <= width
    colours = browser.run(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        ".map(text => text.match(/\\d+/g).reduce((sum, part) => sum + Number(part), 0))"
    )
    assert (colours[0] < colours[1]) == dark
