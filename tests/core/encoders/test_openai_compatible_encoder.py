import importlib.util
import json
import pickle
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from quaterion_core.dataset import Document, Query
from quaterion_core.encoders import OpenAICompatibleEncoder
from quaterion_core.encoders.answer_cache import AnswerCache
from quaterion_core.encoders.embedding_server import (
    EmbeddingServer,
    EmbeddingServerError,
    checked_url,
)
from quaterion_core.heads import EmptyHead
from quaterion_core.model import SimilarityModel
from quaterion_core.storage import InvalidFolderError

spec = importlib.util.spec_from_file_location(
    "embedding_service", Path(__file__).with_name("embedding_service.py")
)
embedding_service = importlib.util.module_from_spec(spec)
spec.loader.exec_module(embedding_service)
vector = embedding_service.vector

KEY = "sk-a-secret-key"


@pytest.fixture
def service(monkeypatch, tmp_path):
    monkeypatch.setenv("QUATERION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TEST_API_KEY", KEY)
    monkeypatch.delenv("QUATERION_OPENAI_URLS", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    with embedding_service.serving() as started:
        yield started


@pytest.fixture
def waits():
    return []


@pytest.fixture
def server(service, waits):
    def make(**arguments):
        return EmbeddingServer(service.url, "tiny", **{"sleep": waits.append, **arguments})

    return make


def embed(encoder, objects):
    return encoder(encoder.get_collate_fn()(objects)).tolist()


@pytest.mark.parametrize("encoding_format", ["float", "base64"])
def test_embeddings_come_in_the_order_of_the_texts(service, encoding_format):
    encoder = OpenAICompatibleEncoder(service.url, "tiny", encoding_format=encoding_format)
    assert encoder.embedding_size == 3
    texts = ["b", "aaa", "b", "cc"]
    assert embed(encoder, texts) == [vector(text) for text in texts]
    assert service.requests[-1] == {
        "model": "tiny", "input": ["b", "aaa", "cc"], "encoding_format": encoding_format,
    }  # fmt: skip
    assert service.headers[-1]["path"] == "/v1/embeddings"
    assert "Authorization" not in service.headers[-1]
    assert embed(encoder, []) == []


def test_texts_are_divided_into_requests(server, service):
    embeddings = server(request_size=2, dimensions=3).embed(["a", "bb", "ccc", "dddd", "e"])
    assert embeddings[:, 0].tolist() == [1, 2, 3, 4, 1]
    assert [body["input"] for body in service.requests] == [["a", "bb"], ["ccc", "dddd"], ["e"]]
    assert {body["dimensions"] for body in service.requests} == {3}


def test_roles_have_prompts(service):
    prompts = {"query": "q: ", "document": "d: "}
    encoder = OpenAICompatibleEncoder(service.url, "tiny", prompts=prompts, embedding_size=3)
    embed(encoder, [Query("a"), Document("a"), "a"])
    assert service.requests[0]["input"] == ["q: a", "d: a", "a"]


def test_key_is_read_from_the_environment_at_each_request(server, service, monkeypatch):
    asked = server(api_key_env="TEST_API_KEY")
    asked.embed(["a"])
    assert service.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(asked)
    monkeypatch.delenv("TEST_API_KEY")
    with pytest.raises(ValueError, match="TEST_API_KEY, which is not set"):
        asked.embed(["a"])
    monkeypatch.setenv("TEST_API_KEY", "a\r\nHost: b")
    with pytest.raises(ValueError, match="ASCII") as raised:
        asked.embed(["a"])
    assert "Host" not in str(raised.value)


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "PATH", "sk-a-secret-key", "API_KEY\n"])
def test_other_variables_are_refused(name):
    with pytest.raises(ValueError, match="ends with API_KEY or API_TOKEN") as raised:
        EmbeddingServer("http://localhost/v1", "tiny", api_key_env=name)
    assert "secret-key" not in str(raised.value)


def failing(status, headers=None, content=None):
    return lambda body: (status, headers or {}, content or {"error": {"message": "no"}})


def test_busy_server_is_asked_again_after_the_time_that_it_states(server, service, waits):
    service.answers = [
        failing(429, {"Retry-After": "7"}),
        failing(503, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}),
        failing(429, {"Retry-After": "100000"}),
    ]
    assert server().embed(["a"]).tolist() == [vector("a")]
    assert waits == [7.0, 0.0, 60.0]


def test_failures_are_retried_after_exponentially_longer_times(server, service, waits):
    service.answers = [failing(status) for status in (500, 502, 503, 504)]
    assert server().embed(["a"]).tolist() == [vector("a")]
    for attempt, wait in enumerate(waits):
        assert 0.25 * 2**attempt <= wait <= 0.5 * 2**attempt
    assert len(waits) == 4


def test_retries_end(server, service, waits):
    service.answers = [failing(500)] * 5
    with pytest.raises(EmbeddingServerError, match=r"status 500: no \(3 attempts\)"):
        server(retries=2).embed(["a"])
    assert len(service.requests) == 3
    assert len(waits) == 2


def test_wrong_requests_are_not_retried(server, service, waits):
    service.answers = [failing(401, content={"error": {"message": f"wrong key {KEY}"}})]
    with pytest.raises(EmbeddingServerError, match=r"wrong key \*\*\*.*api_key_env"):
        server(api_key_env="TEST_API_KEY").embed(["a"])
    service.answers = [failing(400, content=b"<html>too long</html>")]
    with pytest.raises(EmbeddingServerError, match="status 400: <html>too long</html>"):
        server().embed(["a"])
    assert waits == []


def test_redirects_are_refused(server, service):
    service.answers = [failing(307, {"Location": service.url + "/elsewhere"})]
    with pytest.raises(EmbeddingServerError, match="it redirects"):
        server(api_key_env="TEST_API_KEY").embed(["a"])
    assert len(service.requests) == 1


def test_server_that_is_not_there(waits):
    gone = EmbeddingServer("http://127.0.0.1:9/v1", "tiny", retries=1, sleep=waits.append)
    with pytest.raises(EmbeddingServerError, match=r"cannot be reached.*\(2 attempts\)"):
        gone.embed(["a"])
    assert len(waits) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:1], "expected 2 embeddings, got 1"),
        (lambda data: None, "got no list of data"),
        (lambda data: [data[0], data[0]], "each index from 0 to 1 once, got 1"),
        (lambda data: [{**data[0], "index": 2}, data[1]], "got 2"),
        (lambda data: [{**data[0], "embedding": [1.0]}, data[1]], r"sizes \[1, 3\]"),
        (lambda data: [{**data[0], "embedding": ["1"]}, data[1]], "a list of numbers or base64"),
        (lambda data: [{**data[0], "embedding": "%"}, data[1]], "no base64"),
        (lambda data: [{**data[0], "embedding": [1e60, 1, 1]}, data[1]], "NaN or infinity"),
        (lambda data: [{**data[0], "embedding": [10**400, 1, 1]}, data[1]], "too large"),
        (lambda data: [1, 2], "got None"),
    ],
)
def test_wrong_answers_are_refused(server, service, change, message):
    def answer(body):
        content = service.embeddings(body)
        return 200, {}, {**content, "data": change(content["data"])}

    service.answers = [answer]
    with pytest.raises(EmbeddingServerError, match=message):
        server().embed(["a", "b"])


def test_answer_that_is_no_json(server, service):
    service.answers = [failing(200, content=b"[[")]
    with pytest.raises(EmbeddingServerError, match="returns no embeddings of 1 texts"):
        server().embed(["a"])


def test_size_that_differs_is_refused(service):
    encoder = OpenAICompatibleEncoder(service.url, "tiny", dimensions=2)
    assert encoder.embedding_size == 2
    with pytest.raises(ValueError, match="size 2 by 'tiny' from .*, got size 3"):
        embed(encoder, ["a"])
    with pytest.raises(ValueError, match="embedding_size to be dimensions, 2, got 3"):
        OpenAICompatibleEncoder(service.url, "tiny", dimensions=2, embedding_size=3)


def test_rate_is_limited(server, service, waits):
    limited = server(requests_per_minute=60, request_size=1)
    limited.embed(["a", "b", "c"])
    assert len(waits) == 2
    assert 0.5 < waits[0] <= 1.0
    assert waits[0] < waits[1] <= 2.0


def test_texts_are_embedded_once(service):
    def encoder(**arguments):
        return OpenAICompatibleEncoder(service.url, "tiny", embedding_size=3, **arguments)

    assert embed(encoder(request_size=2), ["a", "b", "c"]) == [vector(t) for t in "abc"]
    assert embed(encoder(), ["d", "b", "a"]) == [vector(t) for t in "dba"]
    assert [body["input"] for body in service.requests] == [["a", "b"], ["c"], ["d"]]
    embed(encoder(cache=False), ["a"])
    embed(OpenAICompatibleEncoder(service.url, "other", embedding_size=3), ["a"])
    embed(OpenAICompatibleEncoder(service.url, "tiny", dimensions=3), ["a"])
    assert len(service.requests) == 6


def test_what_was_embedded_before_a_failure_is_kept(service):
    encoder = OpenAICompatibleEncoder(
        service.url, "tiny", embedding_size=3, request_size=1, retries=0
    )
    service.answers = [lambda body: (200, {}, service.embeddings(body)), failing(500)]
    with pytest.raises(EmbeddingServerError):
        embed(encoder, ["a", "b"])
    embed(encoder, ["a", "b"])
    assert [body["input"] for body in service.requests] == [["a"], ["b"], ["b"]]


def test_cache_that_was_changed_is_checked(tmp_path):
    file = tmp_path / "answers.sqlite"
    cache = AnswerCache(file, ["url", "tiny", None])
    cache.add(["a", "b", "c"], np.float32([[1, 2], [3, 4], [5, 6]]))
    with sqlite3.connect(file) as connection:
        keys = [cache._key(text) for text in "abc"]
        for key, value in zip(
            keys, [b"123", np.float32([1, np.nan]).tobytes(), "12345678"], strict=True
        ):
            connection.execute("UPDATE vectors SET vector = ? WHERE key = ?", (value, key))
    connection.close()
    assert cache.get(["a", "b", "c"], 2) == {}


def test_cache_that_cannot_be_used_is_left_alone(tmp_path):
    file = tmp_path / "answers.sqlite"
    file.write_bytes(b"no database" * 100)
    cache = AnswerCache(file, ["url", "tiny", None])
    with pytest.warns(UserWarning, match="cannot be used"):
        assert cache.get(["a"], 2) == {}
    cache.add(["a"], np.float32([[1, 2]]))
    assert file.read_bytes() == b"no database" * 100
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE VIEW vectors AS SELECT 1 AS key, 2 AS vector")
    connection.close()
    with pytest.warns(UserWarning, match="other tables"):
        assert AnswerCache(other, ["url"]).get(["a"], 2) == {}


def test_many_texts_are_looked_up(tmp_path):
    cache = AnswerCache(tmp_path / "answers.sqlite", ["url"])
    texts = [f"text {number}" for number in range(1200)]
    vectors = np.arange(2400, dtype=np.float32).reshape(-1, 2)
    cache.add(texts, vectors)
    found = cache.get([*texts, "another"], 2)
    assert np.array_equal(np.stack([found[text] for text in texts]), vectors)
    assert len(found) == 1200


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/v1", "host/v1", "https://", "https://host/v1?a=b", "https://host/v1#a",
        "https://host:port/v1", "https://a b/v1", "https://höst/v1", "https://host/\n", "",
    ],
)  # fmt: skip
def test_wrong_urls_are_refused(url):
    with pytest.raises(ValueError, match="Expected the base URL of a server"):
        checked_url(url)


def test_password_in_a_url_is_refused_and_not_shown():
    with pytest.raises(ValueError, match="without a user and a password") as raised:
        checked_url("https://me:secret@host/v1")
    assert "secret" not in str(raised.value)


def test_wrong_arguments_are_refused(service):
    for name in ("request_size", "requests_per_minute", "timeout"):
        with pytest.raises(ValueError, match=f"Expected {name} to be"):
            OpenAICompatibleEncoder(service.url, "tiny", **{name: -1})
    with pytest.raises(ValueError, match="Expected prompts to be texts under"):
        OpenAICompatibleEncoder(service.url, "tiny", prompts={"passage": "p: "})
    encoder = OpenAICompatibleEncoder(service.url, "tiny", embedding_size=3)
    with pytest.raises(TypeError, match="object 1 is a Tensor"):
        embed(encoder, ["a", torch.ones(1)])
    with pytest.raises(ValueError, match="object 0 contains a lone surrogate"):
        embed(encoder, ["\ud800"])
    assert service.requests == []


LOAD = """
import sys
from quaterion_core import SimilarityModel
model = SimilarityModel.load(sys.argv[1])
model.fingerprint()
try:
    print(model.encode("a").tolist())
except ValueError as error:
    print(error)
"""


def test_loaded_model_asks_only_servers_that_the_user_trusts(service, tmp_path, monkeypatch):
    encoder = OpenAICompatibleEncoder(
        service.url, "tiny", api_key_env="TEST_API_KEY", embedding_size=3, cache=False
    )
    SimilarityModel(encoder, EmptyHead(3)).save(tmp_path / "model")
    assert KEY not in "".join(f.read_text() for f in (tmp_path / "model").rglob("*.json"))

    def run():
        command = [sys.executable, "-c", LOAD, str(tmp_path / "model")]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert f"wants to send texts to the server {service.url}. If you trust it" in run()
    monkeypatch.setenv("QUATERION_OPENAI_URLS", "https://other/v1, " + service.url[:-1])
    assert "If you trust it" in run()
    assert service.requests == []
    monkeypatch.setenv("QUATERION_OPENAI_URLS", f"https://other/v1, {service.url}/")
    assert run() == "[[1.0, 97.0, 1.0]]\n"
    assert service.headers[0]["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "change",
    [
        {"embedding_size": None}, {"url": "file:///etc/passwd"}, {"api_key_env": "AWS_SECRET"},
        {"retries": -1}, {"request_size": 0}, {"timeout": "1"}, {"prompts": {"query": 1}},
        {"headers": {}}, {"encoding_format": "pickle"}, {"cache": 1}, {"embedding_size": 0},
    ],
    ids=str,
)  # fmt: skip
def test_hostile_configuration_is_refused_without_any_contact(service, tmp_path, change):
    OpenAICompatibleEncoder(service.url, "tiny", embedding_size=3).save(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(InvalidFolderError):
        OpenAICompatibleEncoder.load(tmp_path)
    assert service.requests == []


def test_encoder_can_be_sent_to_another_process(service):
    encoder = OpenAICompatibleEncoder(service.url, "tiny", embedding_size=3)
    assert embed(pickle.loads(pickle.dumps(encoder)), ["a"]) == [vector("a")]
