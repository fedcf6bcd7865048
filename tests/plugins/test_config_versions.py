"""Models are loaded whose components had another configuration, and another name, when saved."""

import json
import re
import sys
import types
from pathlib import Path

import pytest
import torch

from quaterion_core import SimilarityModel
from quaterion_core.encoders import Encoder
from quaterion_core.heads import EncoderHead, SequentialHead, SwitchHead
from quaterion_core.plugins import Registry
from quaterion_core.storage import InvalidFolderError, UnsupportedFormatError
from quaterion_core.storage.checksums import folder_checksums


class Vectors(Encoder):
    """Vectors of three numbers."""

    trainable, embedding_size = False, 3

    def get_collate_fn(self):
        return torch.tensor

    def forward(self, batch):
        return batch

    def get_config_dict(self):
        return {}


class Scaled(EncoderHead):
    """A head as its first version was: it scales by a percentage."""

    def __init__(self, input_embedding_size: int, percent: int = 100):
        super().__init__(input_embedding_size)
        self.percent = percent

    output_size = property(lambda self: self.input_embedding_size)

    def transform(self, vectors):
        return vectors * (self.percent / 100)

    def get_config_dict(self):
        return {"input_embedding_size": self.input_embedding_size, "percent": self.percent}


class Rescaled(EncoderHead):
    """The head as it is in version 3: it scales by a factor."""

    config_version = 3
    seen: list[int]

    def __init__(self, input_embedding_size: int, factor: float = 1.0):
        super().__init__(input_embedding_size)
        self.factor = factor

    output_size = property(lambda self: self.input_embedding_size)

    def transform(self, vectors):
        return vectors * self.factor

    def get_config_dict(self):
        return {"input_embedding_size": self.input_embedding_size, "factor": self.factor}

    @classmethod
    def migrate_config(cls, config, version):
        cls.seen.append(version)
        factor = config.pop("percent") / 100
        return {**config, "factor": factor}


VECTORS = [[1.0, 2.0, 3.0]]
OLD = """
    from quaterion_core.plugins import hookimpl

    quaterion_api = 1

    @hookimpl
    def quaterion_heads():
        return {"scaled": "tests_of_versions:Scaled"}
"""
NEW = """
    from quaterion_core.plugins import Component, hookimpl

    quaterion_api = 1

    @hookimpl
    def quaterion_heads():
        return {
            "rescaled": Component("tests_of_versions:Rescaled", former_ids=("acme-heads/scaled",))
        }
"""


@pytest.fixture
def version(tmp_path, monkeypatch, site):
    """Return a function that installs the plugin in its old or its new version."""
    module = types.ModuleType("tests_of_versions")
    for cls in (Scaled, Rescaled):
        monkeypatch.setattr(cls, "__module__", module.__name__)
        setattr(module, cls.__name__, cls)
    monkeypatch.setitem(sys.modules, "tests_of_versions", module)
    Rescaled.seen = []

    def install(source):
        folder = tmp_path / f"site-{len(source)}"
        site.install("acme-heads", source, folder=folder, package=f"acme_heads_{len(source)}")
        monkeypatch.syspath_prepend(str(folder))
        found = Registry(path=[str(folder)])
        found.register("encoder", "versioned-vectors", Vectors)
        for name, method in METHODS.items():
            monkeypatch.setattr(Registry, name, _redirected(method, found))

    return install


METHODS = {name: vars(Registry)[name] for name in ("find", "load", "id_of", "require", "given")}


def _redirected(method, found):
    return lambda self, *args, **kwargs: method(found, *args, **kwargs)


def change(folder, edit):
    """Change a saved model as somebody would who recomputes all checksums."""
    from quaterion_core.model_folder import _digest

    edit(folder)
    file = folder / "config.json"
    config = json.loads(file.read_text())
    config.pop("checksum")
    config["files"] = folder_checksums(folder)
    config["checksum"] = _digest(config)
    file.write_text(json.dumps(config))


def edit_json(name, **changes):
    def edit(folder):
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**content, **changes}))

    return edit


@pytest.mark.parametrize(
    "wrap",
    [
        lambda head: head,
        lambda head: SequentialHead(head, Scaled(3, 50), output_size=3),
        lambda head: SwitchHead({"text": head, "image": Scaled(3, 7)}, input_embedding_size=3),
    ],
    ids=["alone", "in a sequence", "in a switch"],
)
def test_a_model_of_an_older_version_of_a_renamed_component_is_loaded(version, tmp_path, wrap):
    version(OLD)
    head = wrap(Scaled(3, 250))
    SimilarityModel(Vectors(), head).save(tmp_path / "model")
    text = json.dumps(json.loads((tmp_path / "model/config.json").read_text()))
    text += (tmp_path / "model/head/config.json").read_text()
    assert "acme-heads/scaled" in text
    assert "config_version" not in text
    version(NEW)
    loaded = SimilarityModel.load(tmp_path / "model").head
    assert set(Rescaled.seen) == {1}
    meta = [{"encoder": "text"}]
    vectors = torch.tensor(VECTORS)
    torch.testing.assert_close(loaded(vectors, meta), head(vectors, meta))
    loaded_again_from = tmp_path / "again"
    SimilarityModel(Vectors(), loaded).save(loaded_again_from)
    Rescaled.seen.clear()
    again = SimilarityModel.load(loaded_again_from).head
    assert Rescaled.seen == []
    torch.testing.assert_close(again(vectors, meta), head(vectors, meta))


def test_a_newer_version_than_the_installed_one_is_refused_in_words(version, tmp_path):
    version(NEW)
    SimilarityModel(Vectors(), Rescaled(3, 2.5)).save(tmp_path / "model")
    part = json.loads((tmp_path / "model/config.json").read_text())["head"]
    assert part["config_version"] == 3

    change(tmp_path / "model", edit_json("config.json", head={**part, "config_version": 4}))
    message = "a configuration of acme-heads/rescaled in version 4, but the installed package reads"
    with pytest.raises(UnsupportedFormatError, match=re.escape(message)):
        SimilarityModel.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"input_embedding_size": 3, "percent": 10**9}, "holds the integer 1000000000"),
        (
            {"input_embedding_size": 3, "percent": "50"},
            "migrate_config cannot translate: TypeError",
        ),
        ({"input_embedding_size": 3}, "migrate_config cannot translate: KeyError: 'percent'"),
        ({"input_embedding_size": 3, "percent": 50, "more": 1}, "more"),
        ({"input_embedding_size": 3, "percent": 50, "factor": {}}, None),
    ],
    ids=["a huge integer", "another type", "a missing key", "an unknown key", "overwritten"],
)
def test_what_is_translated_is_checked_before_and_after(version, tmp_path, config, message):
    version(OLD)
    SimilarityModel(Vectors(), Scaled(3, 250)).save(tmp_path / "model")
    change(
        tmp_path / "model",
        lambda folder: (folder / "head/config.json").write_text(json.dumps(config)),
    )
    version(NEW)
    if message is None:
        assert SimilarityModel.load(tmp_path / "model").head.factor == 0.5
        return
    with pytest.raises(InvalidFolderError, match=re.escape(message)):
        SimilarityModel.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "it returned None, not a dictionary"),
        ({"input_embedding_size": 3, "factor": float("nan")}, "it holds NaN"),
        ({"input_embedding_size": 3, "factor": {1.5}}, "was translated to no JSON"),
        ({"input_embedding_size": 3, "factor": 10**12}, "holds the integer 1000000000000"),
        ({"input_embedding_size": 3, "text": "x" * (64 << 20)}, "more than"),
    ],
    ids=["no dictionary", "not finite", "no JSON", "a huge integer", "too long"],
)
def test_what_a_component_translates_to_is_checked(version, tmp_path, monkeypatch, result, message):
    version(OLD)
    SimilarityModel(Vectors(), Scaled(3, 250)).save(tmp_path / "model")
    version(NEW)
    monkeypatch.setattr(Rescaled, "migrate_config", classmethod(lambda *_: result))
    with pytest.raises(InvalidFolderError, match=message):
        SimilarityModel.load(tmp_path / "model")


@pytest.mark.parametrize("number", [0, -1, "2", True, 1.5, None])
def test_a_version_that_is_no_positive_integer_is_refused(version, tmp_path, number):
    version(NEW)
    SimilarityModel(Vectors(), Rescaled(3)).save(tmp_path / "model")
    part = json.loads((tmp_path / "model/config.json").read_text())["head"]
    change(tmp_path / "model", edit_json("config.json", head={**part, "config_version": number}))
    with pytest.raises(InvalidFolderError, match="config_version"):
        SimilarityModel.load(tmp_path / "model")


def test_a_head_that_reads_a_path_gets_the_translated_file(version, tmp_path, monkeypatch):
    version(OLD)
    SimilarityModel(Vectors(), Scaled(3, 250)).save(tmp_path / "model")
    version(NEW)

    def load(cls, path):
        return cls(**json.loads(Path(path, "config.json").read_text()))

    monkeypatch.setattr(Rescaled, "load", classmethod(load))
    assert SimilarityModel.load(tmp_path / "model").head.factor == 2.5


def test_a_version_that_was_raised_without_a_translation_says_so(version, tmp_path, monkeypatch):
    version(OLD)
    SimilarityModel(Vectors(), Scaled(3, 250)).save(tmp_path / "model")
    version(NEW)
    monkeypatch.delattr(Rescaled, "migrate_config")
    with pytest.raises(InvalidFolderError, match="Rescaled does not override migrate_config"):
        SimilarityModel.load(tmp_path / "model")
