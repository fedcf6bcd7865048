"""`quaterion serve` as a process: what it checks, and how it stops."""

import os
import re
import signal
import subprocess
import sys

import httpx
import pytest
from click.testing import CliRunner

from quaterion_core import Quaterion
from quaterion_core.dataset import SimilarityPairSample
from quaterion_core.serving import Index
from quaterion_serving.serve_command import serve


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a saved model and an index."""
    folder = tmp_path_factory.mktemp("served")
    texts = ["a red apple", "a yellow banana", "a green pear", "a blue plum"]
    encoder = {"name": "quaterion-nlp/static", "embedding_size": 8, "vocab_size": 300}
    samples = [SimilarityPairSample(text, text[2:]) for text in texts]
    model = Quaterion.build(encoder=encoder, loss="multiple-negatives-ranking", data=samples)
    model.model.save(folder / "model")
    with Index.create(folder / "index", folder / "model") as index:
        index.add(texts)
    return folder


class Service:
    """A service in a process of its own."""

    def __init__(self, *arguments, **environment):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "quaterion_core.cli", "serve", *arguments, "--port", "0"],
            stderr=subprocess.PIPE, text=True, env={**os.environ, **environment},
        )  # fmt: skip
        self.said = ""
        while not (found := re.search(r"running on (http://\S+)", self.said)):
            line = self.process.stderr.readline()
            assert line, self.said
            self.said += line
        self.address = found[1]

    def stop(self):
        """Ask the service to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.said += self.process.communicate(timeout=60)[1]
        return self.process.returncode


@pytest.mark.parametrize("given", [["model", "--index", "index"], ["index"]], ids=str)
def test_a_model_and_an_index_are_served(folder, given):
    given = [text if text.startswith("--") else str(folder / text) for text in given]
    service = Service(*given, QUATERION_API_KEY="the key")
    headers = {"Authorization": "Bearer the key"}
    answer = httpx.get(f"{service.address}/search", params={"q": "a red apple"}, headers=headers)
    assert answer.json()["results"][0]["object"] == "a red apple"
    assert httpx.get(f"{service.address}/info").status_code == 401
    assert service.stop() in (0, -signal.SIGTERM)
    assert "and 4 objects. Stop with Ctrl-C." in service.said
    assert "Traceback" not in service.said
    assert "the key" not in service.said


def test_other_addresses_are_warned_of(folder):
    service = Service(str(folder / "model"), "--host", "0.0.0.0")
    service.stop()
    assert "Warning: anybody who reaches 0.0.0.0 can use the service." in service.said


@pytest.mark.parametrize(
    ("given", "environment", "message"),
    [
        (["missing"], {}, "no such file or directory"),
        (["index", "--index", "index"], {}, "Give one of them"),
        (["model", "--index", "model"], {}, "has no index.json"),
        (["model", "--device", "gpu"], {}, "NVIDIA GPUs are called 'cuda'"),
        (["model"], {"QUATERION_API_KEY": " "}, "Expected QUATERION_API_KEY to be a key"),
        (["model", "--max-waiting", "0"], {}, "Invalid value"),
    ],
    ids=str,
)
def test_what_cannot_be_served_is_told(folder, given, environment, message, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    places = [
        str(folder / text) if text in ("model", "index", "missing") else text for text in given
    ]
    result = CliRunner().invoke(serve, places)
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output
