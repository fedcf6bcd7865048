"""Search over HTTP, for texts and for images."""

import asyncio
import base64
import io

import pytest
from PIL import Image
from starlette.testclient import TestClient

from quaterion_core import SimilarityModel
from quaterion_core.dataset import SimilarityPairSample
from quaterion_core.heads import EmptyHead
from quaterion_core.serving import Index
from quaterion_core.serving.stores import all_of, parse_condition
from quaterion_serving.service.application import build_application
from quaterion_serving.service.engine import Engine, Search
from quaterion_serving.service.settings import ServiceSettings


@pytest.fixture(scope="module")
def http(letters, fruit):
    with TestClient(build_application(letters, fruit)) as client:
        yield client


@pytest.fixture(scope="module")
def http_of_images(colours, gallery):
    with TestClient(build_application(colours, gallery)) as client:
        yield client


def objects_of(answer):
    assert answer.status_code == 200, answer.text
    return [found["object"] for found in answer.json()["results"]]


@pytest.mark.parametrize("where", [(), ("colour=yellow",), ("colour=yellow", "colour!=yellow")])
def test_results_are_those_of_the_index(http, fruit, where):
    condition = all_of([parse_condition(text) for text in where])
    expected = [hit.to_dict() for hit in fruit.search("bananas", 3, condition)]
    body = {"query": "bananas", "top": 3, "where": list(where)}
    assert http.post("/search", json=body).json() == {"results": expected, "match": None}
    parameters = {"q": "bananas", "top": 3, "where": list(where)}
    assert http.get("/search", params=parameters).json()["results"] == expected


def test_rankings_by_words_are_fused(http, fruit):
    expected = [hit.to_dict() for hit in fruit.search("lemon", lexical=True)]
    body = {"query": "lemon", "lexical": True}
    assert http.post("/search", json=body).json()["results"] == expected


def test_searches_at_the_same_time_get_their_own_results(letters, fruit):
    engine = Engine(letters, ServiceSettings(), fruit)
    searches = [
        Search(query, top, lexical=lexical)
        for query in ("banana", "cherry", "lemon") for top in (1, 2) for lexical in (True, False)
    ]  # fmt: skip

    async def main():
        await asyncio.gather(*(engine.embed(["x"]) for _ in range(3)))
        return await asyncio.gather(*(engine.search(search) for search in searches))

    for search, found in zip(searches, asyncio.run(main()), strict=True):
        expected = fruit.search(search.query, search.top, lexical=search.lexical)
        assert [hit.id for hit in found] == [hit.id for hit in expected]
        assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected])
    engine.close()


def test_images_are_searched(http_of_images, pictures):
    data = (pictures / "red.png").read_bytes()
    text = base64.b64encode(data).decode()
    answers = [
        http_of_images.post("/search/image", params={"top": 1}, content=data),
        http_of_images.post("/search/image", params={"top": 1}, files={"file": data}),
        http_of_images.post("/search", json={"image": text, "top": 1}),
        http_of_images.post("/search", json={"image": f"data:image/png;base64,{text}", "top": 1}),
    ]
    for answer in answers:
        assert objects_of(answer) == [str(pictures / "red.png")]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "either query, a text, or image"),
        ({"query": "a", "image": "b"}, "either query, a text, or image"),
        ({"query": "  "}, "at least one character"),
        ({"query": "a", "top": 0}, "top: Input should be greater"),
        ({"query": "a", "where": ["colour"]}, "colour"),
        ({"query": "a", "where": ["a=b"] * 51}, "where: List should have at most 50"),
        ({"query": "a", "limit": 3}, "limit: Extra inputs are not permitted"),
        ({"query": "a", "min_probability": 0.5}, "The model cannot tell matches"),
        ({"query": "a", "min_probability": 2}, "min_probability"),
        ({"query": "a", "min_probability": 0.5, "miss_rate": 0.5}, "min_probability and miss_rate"),
        ({"query": "refuse"}, "The model cannot embed the input"),
        ({"query": "a", "where": ["n=" + ",".join(map(str, range(2000)))]}, "a simpler condition"),
        ({"image": "bm90IGFuIGltYWdl"}, "Expected an image of one of the formats"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_searches_that_cannot_be_understood(http, body, message):
    answer = http.post("/search", json=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


def test_forms_without_a_file_are_refused(http_of_images):
    answer = http_of_images.post("/search/image", files={"note": (None, "a text")})
    assert answer.status_code == 400
    assert "got none" in answer.json()["error"]["message"]


def test_texts_do_not_name_files_of_the_server(http_of_images, pictures):
    answer = http_of_images.post("/search", json={"query": str(pictures / "red.png")})
    assert answer.status_code == 400


def test_more_results_than_the_limit_are_refused(http):
    answer = http.get("/search", params={"q": "a", "top": 1001})
    assert (answer.status_code, "at most 1,000" in answer.text) == (413, True)


def test_without_an_index_there_is_no_search(letters):
    with TestClient(build_application(letters)) as client:
        answer = client.get("/search", params={"q": "a"})
        assert answer.status_code == 404
        assert "--index" in answer.json()["error"]["message"]
        assert client.get("/info").json()["objects"] is None


def test_index_of_another_model_is_refused(colours, fruit):
    with pytest.raises(ValueError, match="got another one"):
        build_application(colours, fruit)


def test_matches(letters, tmp_path):
    model = SimilarityModel(letters.encoders["default"], EmptyHead(26))
    model.calibrate([SimilarityPairSample(text, text + "s") for text in ("banana", "cherry")])
    with Index.create(tmp_path / "index", model) as index:
        index.add(["banana", "cherry"])
        with TestClient(build_application(model, index)) as client:
            assert client.get("/info").json()["calibrated"]
            body = {"query": "bananas", "false_match_rate": 0.4}
            found = client.post("/search", json=body).json()
            assert found["match"] is True
            [hit] = found["results"]
            assert hit["object"] == "banana"
            assert hit["probability"] == pytest.approx(model.matches.probability(hit["score"]))
            found = client.post("/search", json={**body, "query": "z" * 20}).json()
            assert found == {"results": [], "match": False}


def test_thumbnails_are_small_pictures(http_of_images, gallery, pictures):
    [hit] = gallery.search(pictures / "red.png", 1)
    answer = http_of_images.get("/thumbnail", params={"id": hit.id})
    assert answer.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.size == (192, 128)
        red, green, blue = picture.convert("RGB").getpixel((90, 60))
    assert red > 250
    assert max(green, blue) < 5


@pytest.mark.parametrize("folders", [(), ("elsewhere",), ("pictures", "elsewhere")])
def test_thumbnails_are_of_named_folders_only(colours, gallery, pictures, tmp_path, folders):
    places = {"elsewhere": tmp_path, "pictures": pictures}
    settings = ServiceSettings(image_folders=tuple(places[name] for name in folders))
    with TestClient(build_application(colours, gallery, settings)) as client:
        [hit] = gallery.search(pictures / "red.png", 1)
        answer = client.get("/thumbnail", params={"id": hit.id})
    assert answer.status_code == (200 if "pictures" in folders else 404)


def test_thumbnails_are_of_images_only(letters, tmp_path, http):
    """An index can name any file as its object, which is not shown."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "secret.png").write_text("secret")
    (tmp_path / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "folder.png").mkdir()
    names = ["secret.txt", "secret.png", "link.png", "folder.png", "missing.png"]
    with Index.create(tmp_path / "index", letters) as index:
        index.store.upsert(
            names,
            letters.encode(names),
            [{"_object": str(tmp_path / name), "_kind": "path", "_digest": ""} for name in names],
        )
        with TestClient(build_application(letters, index)) as client:
            for name in [*names, "unknown"]:
                answer = client.get("/thumbnail", params={"id": name})
                assert answer.status_code == 404
                assert "secret" not in answer.text
    assert http.get("/thumbnail", params={"id": "unknown"}).status_code == 404
