"""Fixtures of the tests of the service: models, indexes, and running services."""

from __future__ import annotations

import threading
import time

import pytest
import torch
import uvicorn
from PIL import Image

from quaterion_core import SimilarityModel
from quaterion_core.encoders import Encoder
from quaterion_core.heads import EmptyHead
from quaterion_core.plugins import register_encoder
from quaterion_core.serving import Index
from quaterion_serving.service.application import build_application


@register_encoder("served-letters")
class Letters(Encoder):
    """Counts letters; a text with "refuse" cannot be embedded."""

    trainable, embedding_size = False, 26

    def get_collate_fn(self):
        return list

    def get_length_fn(self):
        return lambda texts: [len(text.split()) for text in texts]

    def forward(self, texts):
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("Expected texts.")
        if any("refuse" in text for text in texts):
            raise ValueError("Refused.")
        if any("break" in text for text in texts):
            raise RuntimeError("A secret of the service.")
        alphabet = "abcdefghijklmnopqrstuvwxyz"
        return torch.tensor([[0.5 + text.count(letter) for letter in alphabet] for text in texts])

    def get_config_dict(self):
        return {}


@register_encoder("served-colours")
class Colours(Encoder):
    """The mean colour of an image, or of the file that a text names."""

    trainable, embedding_size = False, 3

    def get_collate_fn(self):
        return list

    def forward(self, images):
        pixels = []
        for image in images:
            opened = image if isinstance(image, Image.Image) else Image.open(image)
            pixels.append(opened.convert("RGB").resize((1, 1)).getpixel((0, 0)))
        return torch.tensor(pixels).float() + 1

    def get_config_dict(self):
        return {}


FRUIT = {"banana": "yellow", "cherry": "red", "lemon": "yellow", "elderberry": "black"}


@pytest.fixture(scope="session")
def letters():
    """A model of texts."""
    return SimilarityModel(Letters(), EmptyHead(26)).eval()


@pytest.fixture(scope="session")
def fruit(letters, tmp_path_factory):
    """An index of fruit, with a lexical side."""
    location = tmp_path_factory.mktemp("fruit") / "index"
    with Index.create(location, letters, lexical=True) as index:
        index.add(FRUIT, payloads=[{"colour": colour} for colour in FRUIT.values()])
        yield index


@pytest.fixture(scope="session")
def colours():
    """A model of images."""
    return SimilarityModel(Colours(), EmptyHead(3)).eval()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder with an image of each of some colours."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("red", "green", "blue", "white"):
        Image.new("RGB", (300, 200), name).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="session")
def gallery(colours, pictures, tmp_path_factory):
    """An index of the images."""
    location = tmp_path_factory.mktemp("gallery") / "index"
    with Index.create(location, colours, distance="euclidean") as index:
        index.add(sorted(pictures.iterdir()))
        yield index


@pytest.fixture(scope="session")
def serving():
    """Return a function that serves a model at an address until the tests end."""
    servers = []

    def serve(*arguments, **options):
        app = build_application(*arguments, **options)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        servers.append((server, thread))
        port = server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    yield serve
    for server, thread in servers:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def fruit_service(serving, letters, fruit):
    """Address of a service of texts with an index."""
    return serving(letters, fruit, name="letters")
