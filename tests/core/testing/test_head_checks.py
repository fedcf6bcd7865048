"""Each check of a head fails a head that has the fault which it catches, and no good one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from quaterion_core.heads import EncoderHead
from quaterion_core.storage import load_weights, read_json
from quaterion_core.testing import Status, check_head
from quaterion_core.testing.head_checks import HEAD_CHECKS


class Good(EncoderHead):
    """A linear layer, scaled."""

    def __init__(self, input_embedding_size=8, output_size=5, scale=1.0, dropout=0.0, **kwargs):
        super().__init__(input_embedding_size, dropout=dropout, **kwargs)
        self.scale = scale
        self.layer = nn.Linear(input_embedding_size, output_size)

    @property
    def output_size(self):
        return self.layer.out_features

    def transform(self, input_vectors):
        return self.layer(input_vectors) * self.scale

    def get_config_dict(self):
        return {**super().get_config_dict(), "output_size": self.output_size, "scale": self.scale}


class NotBuilt(Good):
    def __init__(self):
        raise RuntimeError("no weights")


class SizeIsAFloat(Good):
    @property
    def output_size(self):
        return 5.0


class TellsAnotherSize(Good):
    @property
    def output_size(self):
        return 6

    def get_config_dict(self):
        return {**super().get_config_dict(), "output_size": 5}


class NormalisesBatches(Good):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.norm = nn.BatchNorm1d(self.input_embedding_size)

    def transform(self, input_vectors):
        return super().transform(self.norm(input_vectors))


class AddsNoise(Good):
    def transform(self, input_vectors):
        output = super().transform(input_vectors)
        return output + torch.randn_like(output)


class CentresTheBatch(Good):
    def transform(self, input_vectors):
        return super().transform(input_vectors - 0.5 * input_vectors.mean(dim=0))


class NeverDrops(Good):
    def forward(self, input_vectors, meta=None):
        return self.transform(input_vectors)


class HasAnUnusedParameter(Good):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.unused = nn.Linear(2, 2)


class Detaches(Good):
    def transform(self, input_vectors):
        return super().transform(input_vectors.detach())


class ForgetsAnArgument(Good):
    def get_config_dict(self):
        config = super().get_config_dict()
        del config["scale"]
        return config


class LoadsNoWeights(Good):
    @classmethod
    def load(cls, input_path):
        return cls.from_config(read_json(Path(input_path) / "config.json"))


class Pickles(Good):
    def save(self, output_path):
        super().save(output_path)
        torch.save(self.layer, Path(output_path) / "layer")


class ReadsWhatItNeeds(Good):
    @classmethod
    def load(cls, input_path):
        head = cls.from_config(read_json(Path(input_path) / "config.json"))
        load_weights(head, input_path)
        return head


class NamesItsFiles(ReadsWhatItNeeds):
    saved_files = ("config.json", "weights.safetensors")


class GivesFloats(Good):
    def transform(self, input_vectors):
        return super().transform(input_vectors).float()


class KeepsAPlainTensor(Good):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.shift = torch.ones(5)

    def transform(self, input_vectors):
        return super().transform(input_vectors) + self.shift.to(input_vectors.dtype)


class DividesByLength(Good):
    def transform(self, input_vectors):
        return super().transform(input_vectors / input_vectors.norm(dim=1, keepdim=True))


MUTANTS = {
    "construction": [NotBuilt],
    "interface": [SizeIsAFloat],
    "output": [TellsAnotherSize],
    "batch_of_one": [NormalisesBatches],
    "determinism": [AddsNoise],
    "order_invariance": [CentresTheBatch],
    "dropout": [NeverDrops],
    "gradients": [HasAnUnusedParameter, Detaches],
    "config_round_trip": [lambda: ForgetsAnArgument(scale=2.0)],
    "model_folder_round_trip": [LoadsNoWeights],
    "saved_without_pickle": [Pickles],
    "surplus_files": [ReadsWhatItNeeds],
    "precision": [GivesFloats],
    "device": [KeepsAPlainTensor],
    "degenerate": [DividesByLength],
}


def test_a_good_head_passes_all_checks():
    report = check_head(lambda: Good(scale=2.0, dropout=0.3))
    report.raise_for_failures()
    assert report.ran == len(HEAD_CHECKS)


def test_a_head_that_names_its_files_passes():
    assert check_head(NamesItsFiles)["surplus_files"].status is Status.PASSED


def test_each_check_has_a_mutant():
    assert list(MUTANTS) == list(HEAD_CHECKS)


@pytest.mark.parametrize(
    ("name", "mutant"), [(name, mutant) for name, several in MUTANTS.items() for mutant in several]
)
def test_a_check_fails_what_it_catches(name, mutant):
    result = check_head(mutant)[name]
    assert result.status is Status.FAILED, result
    assert result.message
    assert result.way_out == HEAD_CHECKS[name].way_out
