"""Streams of samples: shared among workers and processes, and accepted by training."""

import pickle

import pytest
import pytorch_lightning as lightning
import torch

from quaterion_core import Quaterion
from quaterion_core.dataset import CsvDataset, PairsSimilarityDataLoader, file_stream
from quaterion_core.encoders import Encoder

SIZE = 41


@pytest.fixture
def dataset(tmp_path):
    for part in range(2):
        lines = [f"question {n},answer {n}" for n in range(part, SIZE, 2)]
        (tmp_path / f"part{part}.csv").write_text("\n".join(["q,a", *lines]))
    return CsvDataset({"train": tmp_path / "*.csv"}, obj_a="q", obj_b="a")


def numbers(loader):
    return [int(text.split()[1]) for objects, targets in loader
            for text in objects[: len(targets["labels"])]]  # fmt: skip


@pytest.mark.parametrize("workers", [0, 2])
def test_every_sample_comes_once_whatever_the_workers(dataset, workers):
    loader = PairsSimilarityDataLoader(
        dataset.stream("train", 8), batch_size=4, num_workers=workers
    )
    first, second = numbers(loader), numbers(loader)
    assert sorted(first) == sorted(second) == list(range(SIZE))
    assert first != second


def test_processes_share_the_samples_and_get_equally_many(dataset, monkeypatch):
    shares = []
    for rank in range(3):
        monkeypatch.setattr(file_stream, "_place", lambda rank=rank: (rank, 3))
        stream = dataset.stream("train", 8)
        shares.append({sample.obj_a for sample in stream})
    monkeypatch.undo()
    stream = dataset.stream("train", 8)
    monkeypatch.setattr(file_stream, "_place", lambda: (1, 3))
    sent = pickle.dumps(stream)
    monkeypatch.undo()  # a spawned worker does not know its process
    assert {sample.obj_a for sample in pickle.loads(sent)} == shares[1]
    assert [len(share) for share in shares] == [SIZE // 3] * 3
    assert len(set.union(*shares)) == SIZE // 3 * 3


class Digits(Encoder):
    trainable, embedding_size = False, 10

    def get_collate_fn(self):
        return lambda texts: torch.tensor(
            [[float(text.count(str(digit))) for digit in range(10)] for text in texts]
        )

    def forward(self, batch):
        return batch


@pytest.mark.parametrize("data", ["loader", "stream"])
def test_a_stream_trains_and_repeats(dataset, data):
    weights = []
    for _ in range(2):
        lightning.seed_everything(0)
        model = Quaterion.build(encoder=Digits(), head="gated", loss="multiple-negatives-ranking")
        trainer = lightning.Trainer(
            max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        stream = dataset.stream("train", 8)
        loader = PairsSimilarityDataLoader(stream, batch_size=8)
        Quaterion.fit(model, trainer, loader if data == "loader" else stream)
        assert trainer.global_step == 2 * (6 if data == "loader" else 2)
        weights.append(model.model.head.state_dict())
    assert all(torch.equal(weights[0][name], value) for name, value in weights[1].items())
