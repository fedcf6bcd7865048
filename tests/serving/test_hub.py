"""Tests of models on the Hub, of which a folder of this machine takes the place."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
import torch

from quaterion_core import SimilarityModel
from quaterion_core.heads import LinearProjectionHead
from quaterion_core.storage import InvalidFolderError
from quaterion_nlp.encoders import StaticEncoder
from quaterion_serving import load_from_hub, push_to_hub

TEXTS = ["delete a file", "remove a folder"]


class FakeHub:
    """Commits are folders. What is downloaded are links, as in the cache of huggingface_hub."""

    def __init__(self, root):
        self.root = root
        self.branches = {}
        self.private = None
        self.downloaded = []

    def __call__(self, token=None):
        return self

    def create_repo(self, repo_id, *, private, exist_ok):
        self.private = private

    def upload_folder(self, *, repo_id, folder_path, revision, commit_message, delete_patterns):
        commit = hashlib.sha1(commit_message.encode() + bytes(len(self.branches))).hexdigest()
        folder = self.root / repo_id / commit
        if revision in self.branches:
            shutil.copytree(self.root / repo_id / self.branches[revision], folder)
            for path in [path for path in folder.rglob("*") if path.is_file()]:
                name = path.relative_to(folder).as_posix()
                if any(fnmatch.fnmatch(name, pattern) for pattern in delete_patterns):
                    path.unlink()
        shutil.copytree(folder_path, folder, dirs_exist_ok=True)
        self.branches[revision] = commit
        return SimpleNamespace(oid=commit)

    def repo_info(self, repo_id, *, revision):
        return SimpleNamespace(sha=self.branches[revision])

    def hf_hub_download(self, *, repo_id, revision, filename):
        return str(self._snapshot(repo_id, revision, [filename]) / filename)

    def snapshot_download(self, *, repo_id, revision, allow_patterns):
        return str(self._snapshot(repo_id, revision, allow_patterns))

    def _snapshot(self, repo_id, revision, names):
        snapshot = self.root / "snapshots" / revision
        for name in names:
            source = self.root / repo_id / revision / name
            self.downloaded.append(name)
            (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
            if source.exists() and not (snapshot / name).exists():
                (snapshot / name).symlink_to(source)
        return snapshot


@pytest.fixture
def hub(tmp_path, monkeypatch):
    fake = FakeHub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "HfApi", fake)
    return fake


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    encoder = StaticEncoder.from_data(TEXTS, vocab_size=300, embedding_size=8)
    return SimilarityModel(encoder, LinearProjectionHead(8, 4)).eval()


def test_a_model_that_is_pushed_is_loaded_again(hub, model):
    address = push_to_hub(model, "team/faq")
    commit = hub.branches["main"]
    assert address == f"hf://team/faq@{commit}"
    assert hub.private is True
    loaded = load_from_hub(address)
    np.testing.assert_array_equal(loaded.encode(TEXTS), model.encode(TEXTS))
    assert loaded.fingerprint() == model.fingerprint()


def test_only_what_save_writes_is_pushed_and_downloaded(hub, model, tmp_path):
    saved = tmp_path / "saved"
    model.save(saved, notes={"README.md": "A model.", "recipe.yaml": "data: /home/me/secret"})
    address = push_to_hub(saved, "team/faq", branch="new", private=False)
    files = {path.relative_to(hub.root) for path in hub.root.rglob("*") if path.is_file()}
    names = {Path(*path.parts[3:]).as_posix() for path in files}
    assert names == {
        "README.md", "config.json", "head/config.json", "head/weights.safetensors",
        "encoders/default/config.json", "encoders/default/tokenizer.json",
        "encoders/default/model.safetensors",
    }  # fmt: skip
    (hub.root / "team/faq" / hub.branches["new"] / "code.py").write_text("raise SystemExit")
    load_from_hub(address)
    assert {*hub.downloaded} == names - {"README.md"}


def test_a_branch_is_refused_with_its_commit(hub, model):
    push_to_hub(model, "team/faq")
    commit = hub.branches["main"]
    for address in ("hf://team/faq", "hf://team/faq@main", f"hf://team/faq@{commit[:10]}"):
        hub.branches[commit[:10]] = commit
        with pytest.raises(ValueError, match=f"may change.*load hf://team/faq@{commit}"):
            load_from_hub(address)


@pytest.mark.parametrize(
    "address", ["team/faq", "hf://faq", "hf://team/faq@", "hf://team/faq/x@a", "hf://../a b@main"]
)
def test_malformed_addresses_are_refused(hub, address):
    with pytest.raises(ValueError, match="Expected an address of the form"):
        load_from_hub(address)


def test_malformed_repositories_are_refused(hub, model):
    with pytest.raises(ValueError, match="Expected repository to be 'owner/name', got 'faq'"):
        push_to_hub(model, "faq")


@pytest.mark.parametrize(
    "name", ["../other", "/etc/passwd", "head/../../x.json", "code.py", "head/model.bin", "head/.x"]
)
def test_files_that_saving_does_not_write_are_not_downloaded(hub, model, name):
    address = push_to_hub(model, "team/faq")
    file = hub.root / "team/faq" / hub.branches["main"] / "config.json"
    config = json.loads(file.read_text())
    config["files"][name] = "0" * 64
    file.write_text(json.dumps(config))
    with pytest.raises(InvalidFolderError, match="is no file that saving writes"):
        load_from_hub(address)
    assert hub.downloaded == ["config.json"]


def test_a_changed_or_incomplete_model_is_refused(hub, model, tmp_path):
    address = push_to_hub(model, "team/faq")
    weights = hub.root / "team/faq" / hub.branches["main"] / "head" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(InvalidFolderError):
        load_from_hub(address)
    weights.unlink()
    with pytest.raises(InvalidFolderError, match=r"head/weights\.safetensors is missing"):
        load_from_hub(address)
    model.save(tmp_path / "saved")
    (tmp_path / "saved" / "head" / "weights.safetensors").write_bytes(b"0")
    before = dict(hub.branches)
    with pytest.raises(InvalidFolderError):
        push_to_hub(tmp_path / "saved", "team/faq")
    assert hub.branches == before
