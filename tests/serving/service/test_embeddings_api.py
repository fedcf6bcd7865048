"""Embeddings over HTTP, by the client of OpenAI and by hand."""

import base64
import io
import re

import numpy as np
import openai
import pytest
from starlette.testclient import TestClient

from quaterion_serving.service.application import build_application
from quaterion_serving.service.settings import ServiceSettings

TEXTS = ["a banana", "cherries and lemons", "x"]


@pytest.fixture(scope="module")
def client(fruit_service):
    return openai.OpenAI(base_url=f"{fruit_service}/v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def http(letters):
    with TestClient(build_application(letters, name="letters")) as client:
        yield client


@pytest.fixture(scope="module")
def http_of_images(colours):
    with TestClient(build_application(colours)) as client:
        yield client


def embeddings_of(answer):
    return np.array([found.embedding for found in answer.data])


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_client_of_openai_gets_the_embeddings_of_the_model(client, letters, encoding):
    answer = client.embeddings.create(model="letters", input=TEXTS, encoding_format=encoding)
    found = [one.embedding for one in answer.data]
    if encoding == "base64":
        found = [np.frombuffer(base64.b64decode(one), dtype="<f4") for one in found]
    np.testing.assert_array_equal(np.array(found, np.float32), letters.encode(TEXTS))
    assert [one.index for one in answer.data] == [0, 1, 2]
    assert answer.model == "letters"
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 6


def test_client_of_openai_by_default(client, letters):
    answer = client.embeddings.create(model="text-embedding-3-small", input="a banana")
    np.testing.assert_array_equal(embeddings_of(answer), letters.encode(["a banana"]))


def test_dimensions_are_truncated(client, letters):
    answer = client.embeddings.create(model="letters", input=TEXTS, dimensions=5)
    np.testing.assert_array_equal(embeddings_of(answer), letters.encode(TEXTS, dim=5))


def test_unit_length(client):
    extra = {"normalize": True}
    answer = client.embeddings.create(model="letters", input=TEXTS, dimensions=5, extra_body=extra)
    assert np.linalg.norm(embeddings_of(answer), axis=1) == pytest.approx([1, 1, 1])


def test_models_are_listed(client):
    assert [model.id for model in client.models.list()] == ["letters"]
    assert client.models.retrieve("letters").id == "letters"
    with pytest.raises(openai.NotFoundError, match="no model 'other', only 'letters'"):
        client.models.retrieve("other")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "input: Field required"),
        ({"input": []}, "at least one text in input, got an empty list"),
        ({"input": ""}, "got an empty one"),
        ({"input": ["a", ""]}, "got an empty one"),
        ({"input": [1, 2]}, "got tokens.*check_embedding_ctx_length=False"),
        ({"input": [[1, 2]]}, "got tokens"),
        ({"input": 3}, "input"),
        ({"input": "a", "dimensions": 27}, "at most 26, the embedding size of the model, got 27"),
        ({"input": "a", "dimensions": 0}, "dimensions: Input should be greater"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format: Input should be 'float'"),
        ({"input": "a", "input_type": "passage"}, "input_type"),
        ({"input": "please refuse"}, "The model cannot embed the input. .*Refused"),
        ({"input": {"image": "x" * 8}}, "another file"),
        ({"input": {"image": "?"}}, "Expected an image in base64, got '\\?'"),
    ],
    ids=str,
)
def test_requests_that_cannot_be_understood(http, body, message):
    answer = http.post("/v1/embeddings", json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert re.search(message, error["message"])


def test_request_that_is_no_json(http):
    answer = http.post("/v1/embeddings", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "JSON" in answer.json()["error"]["message"]


def test_errors_of_the_service_tell_no_secrets(letters):
    with TestClient(build_application(letters), raise_server_exceptions=False) as client:
        answer = client.post("/v1/embeddings", json={"input": "break"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["error"]["code"] == "internal_error"


def test_images_are_embedded(http_of_images, colours, pictures):
    data = base64.b64encode((pictures / "red.png").read_bytes()).decode()
    body = {"input": [f"data:image/png;base64,{data}", {"image": data}]}
    answer = http_of_images.post("/v1/embeddings", json=body).json()
    expected = colours.encode([pictures / "red.png"])[0].tolist()
    assert [found["embedding"] for found in answer["data"]] == [expected, expected]


def test_texts_are_no_paths_of_files(http_of_images, pictures):
    answer = http_of_images.post("/v1/embeddings", json={"input": str(pictures / "red.png")})
    assert answer.status_code == 400
    assert "Expected images, which the model embeds, got one text" in answer.text


def test_images_are_refused_by_a_model_of_texts(http, pictures):
    data = base64.b64encode((pictures / "red.png").read_bytes()).decode()
    answer = http.post("/v1/embeddings", json={"input": {"image": data}})
    assert "Expected texts, which the model embeds, got one image" in answer.text


def test_images_with_too_many_pixels_are_refused(http_of_images):
    from PIL import Image

    stream = io.BytesIO()
    Image.new("1", (5001, 5000)).save(stream, "PNG")
    data = base64.b64encode(stream.getvalue()).decode()
    answer = http_of_images.post("/v1/embeddings", json={"input": {"image": data}})
    assert answer.status_code == 413
    assert "25,000,000 pixels, got 5,001 × 5,000" in answer.text


def test_too_many_objects_are_refused(letters):
    settings = ServiceSettings(max_inputs=2)
    with TestClient(build_application(letters, settings=settings)) as client:
        answer = client.post("/v1/embeddings", json={"input": TEXTS})
    assert answer.status_code == 413
    assert "at most 2 objects in a request, got 3" in answer.text
