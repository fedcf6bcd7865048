"""Keys, limits, hosts and figures of the service."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
import torch
from starlette.testclient import TestClient

from quaterion_core import SimilarityModel
from quaterion_core.encoders import Encoder
from quaterion_core.heads import EmptyHead
from quaterion_serving.service.application import build_application
from quaterion_serving.service.settings import ServiceSettings


class Gate(Encoder):
    """Embeds once the gate is open."""

    trainable, embedding_size = False, 1

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()
        self.begun = threading.Event()

    def get_collate_fn(self):
        return list

    def forward(self, texts):
        self.begun.set()
        self.gate.wait()
        return torch.ones(len(texts), 1)


@pytest.fixture
def gate():
    """An encoder with an open gate."""
    encoder = Gate()
    encoder.gate.set()
    yield encoder
    encoder.gate.set()


def post(address, text="a", **options):
    return httpx.post(f"{address}/v1/embeddings", json={"input": text}, timeout=60, **options)


@pytest.fixture
def keyed(letters, fruit):
    with TestClient(build_application(letters, fruit, ServiceSettings(api_key="the key"))) as http:
        yield http


@pytest.mark.parametrize("path", ["/search?q=a", "/info", "/metrics", "/thumbnail?id=a",
                                  "/openapi.json", "/v1/models", "/nothing"])  # fmt: skip
@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer the other"},
                                    {"Authorization": "the key"}])  # fmt: skip
def test_requests_need_the_key(keyed, path, header):
    answer = keyed.get(path, headers=header)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert keyed.get(path, headers={"Authorization": "Bearer the key"}).status_code != 401


@pytest.mark.parametrize("path", ["/", "/page.css", "/page.js", "/health"])
def test_what_tells_nothing_needs_no_key(keyed, path):
    assert keyed.get(path).status_code == 200


def test_bodies_beyond_the_limit_are_refused(letters):
    settings = ServiceSettings(max_body=1000)
    with TestClient(build_application(letters, settings=settings)) as http:
        for content in (b"x" * 1001, iter([b"x" * 600, b"x" * 600])):  # stated, and not
            answer = http.post("/v1/embeddings", content=content)
            assert answer.status_code == 413
            assert "at most 1,000 bytes" in answer.json()["error"]["message"]
        assert http.post("/v1/embeddings", json={"input": "a" * 900}).status_code == 200


def test_length_that_is_no_number_is_refused(fruit_service):
    place = urlsplit(fruit_service)
    with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
        connection.sendall(b"POST /search HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n")
        assert b" 400 " in connection.recv(100)


def test_requests_that_take_too_long_are_given_up(serving, gate):
    address = serving(SimilarityModel(gate, EmptyHead(1)), settings=ServiceSettings(timeout=0.05))
    gate.gate.clear()
    answer = post(address)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "more than 0.05 seconds" in answer.json()["error"]["message"]


def test_requests_are_refused_while_too_many_wait(serving, gate):
    model = SimilarityModel(gate, EmptyHead(1))
    address = serving(model, settings=ServiceSettings(max_waiting=2, batch_size=1))
    gate.gate.clear()
    gate.begun.clear()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(post, address)
        gate.begun.wait()
        others = [pool.submit(post, address) for _ in range(5)]
        while sum(other.done() for other in others) < 3:
            time.sleep(0.01)
        gate.gate.set()
        statuses = sorted(answer.result().status_code for answer in [first, *others])
    assert statuses == [200] * 3 + [429] * 3


def test_requests_at_the_same_time_are_embedded_together(serving, gate):
    address = serving(SimilarityModel(gate, EmptyHead(1)))
    gate.gate.clear()
    gate.begun.clear()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(post, address)]
        gate.begun.wait()
        answers += [pool.submit(post, address) for _ in range(5)]
        while "quaterion_waiting_objects 5.0" not in httpx.get(f"{address}/metrics").text:
            time.sleep(0.01)
        gate.gate.set()
        assert [answer.result().status_code for answer in answers] == [200] * 6
    figures = httpx.get(f"{address}/metrics").text
    assert "quaterion_batch_size_count 2.0" in figures
    assert "quaterion_batch_size_sum 6.0" in figures
    assert 'quaterion_requests_total{path="/v1/embeddings",status="200"} 6.0' in figures
    assert "quaterion_waiting_objects 0.0" in figures


def test_unknown_paths_share_a_label(letters):
    with TestClient(build_application(letters)) as http:
        for number in range(3):
            assert http.get(f"/unknown/{number}").json()["error"]["message"] == "Not Found"
        figures = http.get("/metrics").text
        assert 'quaterion_requests_total{path="other",status="404"} 3.0' in figures
        assert "unknown" not in figures


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200), ("LOCALHOST", 200), ("[::1]:8000", 200), ("127.0.0.1", 200),
        ("attacker.example", 400), ("attacker.example:8000", 400),
        ("localhost.attacker.example", 400),
        ("[::2]:8000", 400),
    ],
)  # fmt: skip
def test_other_names_of_the_machine_are_refused(letters, host, status):
    settings = ServiceSettings(allowed_hosts=("localhost", "127.0.0.1", "::1"))
    with TestClient(build_application(letters, settings=settings)) as http:
        assert http.get("/health", headers={"Host": host}).status_code == status


def test_pages_load_nothing_from_elsewhere(letters):
    with TestClient(build_application(letters)) as http:
        answer = http.get("/")
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers
        assert http.get("/docs").status_code == 404


def test_what_the_service_tells_of_itself(fruit_service):
    assert httpx.get(f"{fruit_service}/health").json() == {"status": "ok"}
    assert httpx.get(f"{fruit_service}/info").json() == {
        "model": "letters", "embedding_size": 26, "accepts": ["text"], "objects": 4,
        "lexical": True, "calibrated": False,
    }  # fmt: skip
