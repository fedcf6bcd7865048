"""Qdrant, embedded and as a server, which the local mode of its client stands for."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient

from quaterion_core.cli import main
from quaterion_core.distances import Distance
from quaterion_core.plugins import registry
from quaterion_core.serving.stores import And, Equals, ExactStore, InRange, Not, Or
from quaterion_core.storage import InvalidFolderError, NotWritableError, OutputExistsError
from quaterion_core.testing import Example
from quaterion_core.testing.conformance import conformance_cases
from quaterion_serving.stores import server_points
from quaterion_serving.stores.points import point_payload
from quaterion_serving.stores.qdrant_store import QdrantStore, _parsed


class LocalPoints(server_points.ServerPoints):
    """Points of a server in this process, which stays while they are closed."""

    local: QdrantClient | None = None

    def connected(self):
        self.local = self.local or QdrantClient(":memory:")
        return self.local

    def close(self):
        self._client = None


class LocalStore(QdrantStore):
    """A store on such a server."""

    kept: LocalPoints | None = None

    def points(self):
        assert self._url is not None
        self.kept = self.kept or LocalPoints(self._url, self._name, self._ef_search)
        return self.kept


def local_store():
    return LocalStore("qdrant://localhost/tests", ef_search=64)


SERVER_CASES = [
    case
    for case in conformance_cases(
        "quaterion-serving", examples={"qdrant": Example(build=local_store)}
    )
    if case.component == "qdrant"
]


@pytest.mark.parametrize("case", SERVER_CASES, ids=str)
@pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
@pytest.mark.filterwarnings("ignore:Local mode performs exact")
def test_a_server_passes_the_checks_of_stores(case):
    result = case.run()
    assert result.status.value == "passed", result


@pytest.fixture
def edge(tmp_path):
    with QdrantStore(f"qdrant-edge://{tmp_path}/edge") as store:
        store.create(4, Distance.COSINE, {})
        yield store


VALUES = [None, True, False, 0, 1, 1.0, 2.5, -3, 2**60, "a", "b=c", "", "1", "true", "ä"]
FIELDS = ["f", "g h", 'q"u.o[t]', "e=q"]
scalars = st.sampled_from(VALUES)
payloads = st.dictionaries(st.sampled_from(FIELDS), scalars | st.lists(scalars, max_size=3))
bounds = st.sampled_from([-5, 0, 1, 2.5, 2**60, "a", "b"])
conditions = st.recursive(
    st.builds(
        Equals,
        st.sampled_from(FIELDS),
        st.lists(scalars, min_size=1, max_size=3).map(tuple),
    )
    | st.builds(lambda f, low: InRange(f, at_least=low), st.sampled_from(FIELDS), bounds)
    | st.builds(lambda f, high: InRange(f, below=high), st.sampled_from(FIELDS), bounds),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(And, st.tuples(inner, inner))
        | st.builds(Or, st.tuples(inner, inner))
    ),
    max_leaves=4,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(conditions)
def test_conditions_select_what_they_say(edge, condition):
    if not len(edge):
        random = np.random.default_rng(0)
        drawn = [
            {
                field: random.choice(np.array([*VALUES, "list"], dtype=object))
                for field in FIELDS
                if random.uniform() < 0.7
            }
            for _ in range(60)
        ]
        values = [
            {
                field: list(random.permutation(np.array(VALUES, dtype=object))[:2])
                if value == "list"
                else value
                for field, value in payload.items()
            }
            for payload in drawn
        ]
        edge.upsert([str(n) for n in range(60)], random.normal(size=(60, 4)), values)
    everything = edge.search(np.ones((1, 4)), 60)[0]
    expected = {hit.id for hit in everything if condition.matches(hit.payload)}
    assert {hit.id for hit in edge.search(np.ones((1, 4)), 60, condition)[0]} == expected
    few = edge.search(np.ones((1, 4)), 3, condition)[0]
    assert len(few) == min(3, len(expected))


@given(payloads)
def test_points_hold_json(payload):
    point = point_payload("a", payload)
    assert json.loads(json.dumps(point)) == point
    assert all(not tag.startswith("=") or "=" in tag[1:] for tag in point["tags"])


@pytest.mark.parametrize("distance", list(Distance))
def test_scores_are_those_of_the_exact_store(tmp_path, distance):
    vectors = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    found = []
    for store in (QdrantStore(f"qdrant-edge://{tmp_path}/q"), ExactStore(str(tmp_path / "e"))):
        with store:
            store.create(4, distance, {})
            store.upsert([str(n) for n in range(20)], vectors, [{}] * 20)
            [hits] = store.search(vectors[:1] + 0.1, 20)
            found.append(hits)
    assert [hit.id for hit in found[0]] == [hit.id for hit in found[1]]
    scores = [[hit.score for hit in hits] for hits in found]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_a_folder_is_open_once(edge, tmp_path):
    other = QdrantStore(f"qdrant-edge://{tmp_path}/edge")
    with pytest.raises(NotWritableError, match="open in another process"):
        other.open()


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    with pytest.raises(OutputExistsError):
        QdrantStore(f"qdrant-edge://{tmp_path}/mine").create(4, Distance.COSINE, {})
    with pytest.raises(InvalidFolderError, match="There is no store"):
        QdrantStore(f"qdrant-edge://{tmp_path}/mine").open()
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("qdrant://localhost/faq", ("http://localhost:6333", "faq")),
        ("qdrants://example.org:443/a%20b", ("https://example.org:443", "a b")),
        ("qdrant://[::1]:6334/faq", ("http://[::1]:6334", "faq")),
        ("qdrant-edge:///data/faq", (None, "/data/faq")),
        ("qdrant-edge://faq", (None, "faq")),
    ],
)
def test_urls(url, expected):
    assert _parsed(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "qdrant://localhost", "qdrant://localhost/", "qdrant:///faq", "qdrant://localhost/a/b",
        "qdrant://localhost:port/faq", "http://localhost/faq", "qdrant-edge://", "faq",
        "qdrant://user:secret@localhost/faq", "qdrant://localhost/faq?api_key=secret",
    ],
)  # fmt: skip
def test_other_urls_are_refused(url):
    with pytest.raises(ValueError, match="Expected qdrant://HOST:PORT/COLLECTION") as refused:
        QdrantStore(url)
    assert "secret" not in str(refused.value)


class Server:
    """A server that answers every request with one status."""

    def __init__(self, status):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                keys.append(self.headers.get("api-key"))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b'{"status": {"error": "something"}}')

            def log_message(self, *arguments):
                pass

        self.keys = keys = []
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"qdrant://127.0.0.1:{self.server.server_port}/faq"


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (401, PermissionError, "refuses the key. Set the environment variable QDRANT_API_KEY"),
        (403, PermissionError, "refuses the key"),
        (500, InvalidFolderError, "answered 500 for the collection 'faq'.*something"),
    ],
)
def test_servers_that_refuse(status, error, message, monkeypatch):
    monkeypatch.setenv("QDRANT_API_KEY", "the key")
    server = Server(status)
    with pytest.raises(error, match=message) as refused:
        QdrantStore(server.url).open()
    server.server.shutdown()
    server.server.server_close()
    assert server.keys == ["the key"]
    assert "the key" not in str(refused.value).replace("refuses the key", "")


def test_a_server_that_is_not_there():
    with pytest.raises(NotWritableError, match="cannot be reached"):
        QdrantStore("qdrant://127.0.0.1:1/faq").open()


def test_the_store_is_found_by_its_schemes():
    assert registry.load("store", "quaterion-serving/qdrant").schemes == QdrantStore.schemes


def test_an_index_in_qdrant_from_the_command_line(tmp_path, static_model):
    (tmp_path / "texts.csv").write_text("text,year\na red apple,2001\na blue plum,2002\n")
    url = f"qdrant-edge://{tmp_path}/edge"
    run = CliRunner().invoke
    for count in ("2 objects; 0", "0 objects; 2"):
        arguments = ["index", str(static_model), str(tmp_path / "texts.csv"), "--to", url]
        result = run(main, arguments)
        assert result.exit_code == 0, result.output
        assert f"Embedded {count} unchanged." in result.output
    result = run(main, ["search", url, "a red apple", "--where", "year<2005", "--top", "1"])
    assert "a red apple" in result.output.split("\n\n")[1].split("\n")[1]
    result = run(main, ["search", url, "a red apple", "--where", "year>2005"])
    assert "no match" in result.output
    other = ["index", str(static_model), "-o", str(tmp_path / "i"), "--store", "qdrant"]
    result = run(main, [*other, str(tmp_path / "texts.csv")])
    assert result.exit_code == 1
    assert "Expected qdrant://HOST:PORT/COLLECTION" in result.output
