"""Tests of the page: what it says, and that data cannot become markup."""

import html
import json
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

from quaterion_report import ReportData, render, write_page
from quaterion_report.sections import SECTIONS


class Tags(HTMLParser):
    """Collects the elements of a page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def tags_of(page):
    parser = Tags()
    parser.feed(page)
    return parser.found


def test_every_section_is_there_and_linked(examples):
    tags = tags_of(render(examples.page_data()))
    sections = [attributes["id"] for tag, attributes in tags if tag == "section"]
    links = [a["href"] for tag, a in tags if tag == "a" and a["href"] != "#main"]
    assert sections == [section.id for section in SECTIONS]
    assert links == [f"#{section.id}" for section in SECTIONS]


@pytest.mark.parametrize("others", [(), ("untouched",), ("untouched", "other"), ("other",)])
def test_identifiers_are_unique_and_references_lead_somewhere(examples, others):
    tags = tags_of(render(examples.page_data(systems=("model", *others), images=True)))
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in tags:
        for name in ("aria-labelledby", "aria-describedby", "for"):
            assert attributes.get(name, ids[0]) in ids


def test_markup_in_data_stays_text(examples):
    plain = tags_of(render(examples.page_data(text="object {}")))
    page = render(examples.page_data(text=examples.MARKUP.replace("{", "(") + "{}"))
    marked = tags_of(page)
    assert [tag for tag, _ in marked] == [tag for tag, _ in plain]
    assert [set(a) for _, a in marked] == [set(a) for _, a in plain]
    assert "<img src=x" not in page
    assert page.count("</script>") == 2
    shown = html.unescape(re.sub("<script.*?</script>|<[^>]*>", "", page, flags=re.DOTALL))
    assert examples.MARKUP in shown


@pytest.mark.parametrize("images", [False, True])
def test_nothing_refers_to_the_network(examples, images):
    page = render(examples.page_data(images=images))
    for _, attributes in tags_of(page):
        for name in ("src", "href", "srcset", "action", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert not re.search(r"url\((?!\"data:)", page)
    assert "@import" not in page
    assert re.search(r"default-src 'none'; img-src data:; style-src 'unsafe-inline'", page)


def test_ten_thousand_objects_take_less_than_three_megabytes(examples):
    text = "a question of the usual length, as people ask it of a support desk, and its number {}"
    systems = ("model", "untouched", "other")
    page = render(examples.page_data(10_000, text=text, systems=systems))
    assert len(page.encode()) < 3_000_000


def test_data_survive_json(examples):
    data = examples.page_data(systems=("model", "untouched", "other"), images=True)
    assert ReportData.from_json(data.to_json()) == data
    assert render(ReportData.from_json(data.to_json())) == render(data)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": "other"}, "format"),
        ({"format_version": 2}, "format_version"),
        ({"surprise": 1}, "surprise"),
        ({"objects": []}, "does not fit the objects"),
        ({"groups": [99]}, "group 99 has no name"),
        ({"reference": "other"}, "refer to no system"),
        ({"queries": -1}, "queries"),
    ],
)
def test_data_that_do_not_fit_are_rejected(examples, change, told):
    changed = {**examples.page_data().model_dump(), **change}
    with pytest.raises(ValueError, match=told):
        ReportData(**changed)


@pytest.mark.parametrize(
    "image",
    [
        "https://example.com/x.png",
        "data:text/html;base64,PGI+",
        'data:image/png;base64,AAAA"); } body { display: none',
        "data:image/png;base64,AAAA\n} body { display: none",
        "data:image/png;base64,AAAA==\n",
    ],
)
def test_an_image_is_only_accepted_as_data(examples, image):
    data = examples.page_data(images=True).model_dump()
    data["sprites"][0]["image"] = image
    with pytest.raises(ValueError, match="image"):
        ReportData(**data)


def test_a_page_with_nothing_but_a_name_says_what_is_missing(examples):
    data = examples.page_data(systems=("model",))
    system = {"key": "model", "name": "bare"}
    bare = ReportData(title="bare", created=data.created, split="test", queries=0, candidates=0,
                      systems=[system])  # fmt: skip
    page = render(bare)
    for words in ("was not fitted from a recipe", "No metrics were computed", "No history",
                  "No query was searched", "too few objects for a map"):  # fmt: skip
        assert words in page


def test_the_verdict_follows_the_test_of_each_metric(examples):
    page = render(examples.page_data(systems=("model", "untouched", "other")))
    assert (
        "This model is better than the Untouched encoder in object precision@1 (by 0.070)" in page
    )
    assert "These queries cannot tell This model from Other: no metric differs clearly." in page


def test_a_page_is_replaced_as_a_whole(examples, tmp_path):
    target = tmp_path / "report.html"
    target.write_text("before")
    size = write_page(examples.page_data(), target)
    assert target.stat().st_size == size
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    (tmp_path / "other.html").touch()
    assert target.stat().st_mode == (tmp_path / "other.html").stat().st_mode


def test_a_distribution_shows_all_pairs_wherever_they_are(examples):
    """The areas of a narrow distribution at the very end and of a wide one add up to 1."""
    data = examples.page_data(systems=("model",))
    for matching in ([0] * 511 + [50], [0] * 250 + [1] * 262, [3] + [0] * 511):
        counts = {"low": -1, "high": 1, "matching": matching, "others": [1] * 512}
        changed = data.model_dump()
        changed["systems"][0]["similarities"] = counts
        page = render(ReportData(**changed))
        found = re.search(r'id="similarities".*?data-readout="([^"]*)"', page, re.DOTALL)
        readout = json.loads(html.unescape(found.group(1)))
        for series in readout["series"]:
            shares = [float(text.rstrip("%")) for text in series["text"]]
            assert sum(shares) == pytest.approx(100, abs=4)  # each is rounded to 0.1


def test_ten_thousand_groups_take_less_than_three_megabytes(examples):
    data = examples.page_data(10_000, text="a text of the usual length of a text of a group {}")
    changed = data.model_dump()
    changed["group_names"] = [
        f"the name of a group of just one object, number {n}" for n in range(10_000)
    ]
    changed["groups"] = list(range(10_000))
    assert len(render(ReportData(**changed)).encode()) < 3_000_000


def test_a_wheel_has_what_a_page_is_made_of(build_wheel):
    wheel = build_wheel(Path(__file__).parents[2] / "plugins" / "quaterion_report")
    with zipfile.ZipFile(wheel) as archive:
        names = {Path(name).name for name in archive.namelist() if "/templates/" in name}
    assert {"page.html", "page.css", "page.js", "macros.html"} <= names
    assert {f"{section.id}.html" for section in SECTIONS} <= names
